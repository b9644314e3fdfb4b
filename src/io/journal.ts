/**
 * The journal of changes to the system: how to take each back, written down before the change is made. So a
 * process that ends without warning leaves the next one all it needs to clean up.
 *
 * A file of JSON lines, `DIRECTORY/NAME.journal`:
 *   {"owner": {...}}            who makes the changes that follow
 *   {"id": 1, "undo": {...}}    a step that would take a change back
 *   {"done": 1}                 that step is settled
 * A last line cut short belongs to a change that was not begun.
 *
 * The owner holds a lock on the file, which the kernel frees when the process ends; that decides who may write.
 * The owner's number and start time serve those who only look.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { toVpnrError, VpnrError } from '../errors.js';
import { fileError } from '../file-error.js';
import { tryLock } from './lock.js';
import { isAlive, ownIdentity, type ProcessIdentity } from './process.js';
import type { UndoStep } from './undo.js';

export const RUN_DIRECTORY = '/run/vpnr';
const EXTENSION = '.journal';
const LOCK_ATTEMPTS = 10;

export interface JournalEntry {
  id: number;
  undo: UndoStep;
}

const ownerSchema = z.strictObject({
  pid: z.int().positive(),
  start: z.int().nonnegative(),
  boot: z.string(),
  network: z.string(),
});

const undoSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('route'),
    destination: z.string(),
    device: z.string().exactOptional(),
    metric: z.int().exactOptional(),
  }),
  z.strictObject({ kind: z.literal('address'), address: z.string(), device: z.string(), index: z.int() }),
  z.strictObject({ kind: z.literal('link'), device: z.string(), index: z.int() }),
  z.strictObject({ kind: z.literal('sysctl'), name: z.string(), before: z.string(), set: z.string() }),
  z.strictObject({ kind: z.literal('table'), table: z.string() }),
  z.strictObject({ kind: z.literal('rule'), device: z.string(), table: z.int() }),
  z.strictObject({ kind: z.literal('source-rule'), address: z.string(), table: z.int() }),
  z.strictObject({ kind: z.literal('resolved'), device: z.string(), index: z.int() }),
  z.strictObject({ kind: z.literal('resolv-conf'), name: z.string() }),
]);

const lineSchema = z.union([
  z.strictObject({ owner: ownerSchema }),
  z.strictObject({ id: z.int().positive(), undo: undoSchema }),
  z.strictObject({ done: z.int().positive() }),
]);

interface Content {
  owner: ProcessIdentity | undefined;
  /** Steps not settled, each with who made the change. */
  entries: Map<number, { entry: JournalEntry; owner: ProcessIdentity | undefined }>;
}

export class Journal {
  readonly #path: string;
  readonly #fd: number;
  readonly #entries = new Map<number, JournalEntry>();
  #lastId = 0;
  #open = true;

  private constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  /**
   * Takes the journal over. What a dead predecessor left to undo is in `entries` then: undo it first. Steps
   * from before a reboot, or of another network namespace, are dropped: what they name is gone, or elsewhere.
   * Throws ALREADY_RUNNING while its owner lives, CONFIG_INVALID for a name that cannot be a file's, SYSTEM_CALL without room.
   */
  static open(name: string, directory = RUN_DIRECTORY): Journal {
    const path = pathOf(name, directory);
    const journal = new Journal(path, openLocked(name, path));
    try {
      journal.#takeOver(ownIdentity());
      return journal;
    } catch (error) {
      journal.close();
      throw error;
    }
  }

  /** The process that holds the journal now; undefined when there is none. */
  static owner(name: string, directory = RUN_DIRECTORY): ProcessIdentity | undefined {
    const { owner } = readContent(pathOf(name, directory));
    return owner !== undefined && isAlive(owner) ? owner : undefined;
  }

  /** Whether a process that is no more has left steps to undo. */
  static isLeftOver(name: string, directory = RUN_DIRECTORY): boolean {
    const { owner, entries } = readContent(pathOf(name, directory));
    return entries.size > 0 && (owner === undefined || !isAlive(owner));
  }

  /** Steps not settled, whoever has to settle them. */
  static stepsOf(name: string, directory = RUN_DIRECTORY): JournalEntry[] {
    return [...readContent(pathOf(name, directory)).entries.values()].map(({ entry }) => entry);
  }

  /** Names of the journals that are there. Throws NOT_ROOT. */
  static names(directory = RUN_DIRECTORY): string[] {
    try {
      return readdirSync(directory)
        .filter(file => file.endsWith(EXTENSION))
        .map(file => file.slice(0, -EXTENSION.length))
        .sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw cannotRead(directory, error);
    }
  }

  /** Steps not settled, in the order of their changes. */
  get entries(): JournalEntry[] {
    return [...this.#entries.values()];
  }

  /** Writes a step down, to the disk, before its change is made. Throws SYSTEM_CALL when there is no room for it. */
  record(undo: UndoStep): JournalEntry {
    const [entry] = this.recordAll([undo]);
    return entry as JournalEntry;
  }

  recordAll(steps: readonly UndoStep[]): JournalEntry[] {
    const entries = steps.map(undo => ({ id: ++this.#lastId, undo }));
    this.#append(entries);
    for (const entry of entries) this.#entries.set(entry.id, entry);
    return entries;
  }

  /** The changes of these steps have been taken back, or were never made. */
  settle(entries: readonly JournalEntry[]): void {
    for (const { id } of entries) this.#entries.delete(id);
    try {
      this.#append(entries.map(({ id }) => ({ done: id })));
    } catch (error) {
      // Without room it stays unsaid: after a crash these steps would be taken once more, to no effect.
      if (toVpnrError(error).code !== 'SYSTEM_CALL') throw error;
    }
  }

  /** Lets go of the journal. The file goes too, unless steps are left for the next start. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#entries.size === 0) unlinkSync(this.#path);
    closeSync(this.#fd);
  }

  #takeOver(self: ProcessIdentity): void {
    const { entries } = readContent(this.#path);
    for (const { entry, owner } of entries.values()) {
      if (owner?.boot === self.boot && owner.network === self.network) this.#entries.set(entry.id, entry);
      this.#lastId = Math.max(this.#lastId, entry.id);
    }
    // Without steps to keep, the file starts anew. With steps, it grows: it must never lack one of them.
    if (this.#entries.size === 0) ftruncateSync(this.#fd, 0);
    // The file may end in a line cut short: the line feed in front keeps it from spoiling the owner's line.
    this.#append([{ owner: self }], '\n');
  }

  /** All of the lines or nothing: a part of one would spoil what comes behind it. */
  #append(lines: readonly object[], before = ''): void {
    if (!this.#open) throw new VpnrError('INTERNAL', 'the journal is closed');
    if (lines.length === 0) return;
    const bytes = Buffer.from(before + lines.map(line => `${JSON.stringify(line)}\n`).join(''));
    const { size } = fstatSync(this.#fd);
    try {
      if (writeSync(this.#fd, bytes) < bytes.length) throw new Error('ENOSPC: no space left on device');
      fsyncSync(this.#fd);
    } catch (error) {
      ftruncateSync(this.#fd, size);
      const { message } = error as Error;
      throw new VpnrError('SYSTEM_CALL', `the journal ${this.#path} cannot be written: ${message}`, {
        remedy: 'make room there: it is what a crash would be cleaned up by',
        cause: error,
      });
    }
  }
}

function pathOf(name: string, directory: string): string {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$/.test(name)) {
    throw new VpnrError('CONFIG_INVALID', `"${name}" cannot be the name of a connection`, {
      remedy: 'use up to 64 letters, digits, dots, dashes and underscores',
    });
  }
  return join(directory, name + EXTENSION);
}

function openLocked(name: string, path: string): number {
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    const fd = openFile(path);
    if (!tryLock(fd)) {
      closeSync(fd);
      const { owner } = readContent(path);
      const who = owner === undefined ? '' : ` (process ${owner.pid})`;
      throw new VpnrError('ALREADY_RUNNING', `"${name}" is running already${who}`, {
        remedy: `end it with \`vpnr disconnect ${name}\`, or give this one another name`,
      });
    }
    // The former owner may have removed the file between our open and our lock: then it is not the one that
    // others will find.
    if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return fd;
    closeSync(fd);
  }
  throw new VpnrError('ALREADY_RUNNING', `"${name}" is being started and stopped by others`, {
    remedy: 'wait until that is over, or give this one another name',
  });
}

function openFile(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const { O_RDWR, O_CREAT, O_APPEND, O_NOFOLLOW } = constants;
    return openSync(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
  } catch (error) {
    const place = dirname(path);
    throw fileError(`${path} cannot be opened`, error, {
      place,
      otherwise: `see what ${place} is, and what VPNR_RUNTIME_DIR says`,
    });
  }
}

function cannotRead(path: string, error: unknown): VpnrError {
  return fileError('what is running cannot be seen', error, {
    place: path,
    otherwise: `see what ${path} is, and what VPNR_RUNTIME_DIR says`,
  });
}

/** Lines that make no sense are passed over: the rest is still worth undoing. */
function readContent(path: string): Content {
  const content: Content = { owner: undefined, entries: new Map() };
  for (const line of linesOf(path)) {
    const parsed = lineSchema.safeParse(line);
    if (!parsed.success) continue;
    const { data } = parsed;
    if ('owner' in data) content.owner = data.owner;
    else if ('done' in data) content.entries.delete(data.done);
    else content.entries.set(data.id, { entry: data, owner: content.owner });
  }
  return content;
}

function linesOf(path: string): unknown[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw cannotRead(path, error);
  }
  return text.split('\n').flatMap(line => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
}
