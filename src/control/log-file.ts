/**
 * The events of what runs in the background, as lines of JSON in the state folder: NAME.log, and NAME.log.1 with what was
 * before. Each is LOG_BYTES long at most and readable by its owner only.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { VpnrError } from '../errors.js';
import type { LogEntry } from './event-log.js';
import { ensureFolder, stateFolder } from './folders.js';

const LOG_BYTES = 1 << 20;

export function logPath(name: string): string {
  return join(stateFolder(), `${name}.log`);
}

export class LogFile {
  readonly #path: string;
  readonly #limit: number;
  #fd: number;
  #size: number;
  /** Entries that could not be written, until that is written down. */
  #lost = 0;

  private constructor(path: string, limit: number) {
    this.#path = path;
    this.#limit = limit;
    this.#fd = openLog(path);
    this.#size = fstatSync(this.#fd).size;
  }

  /** Throws SYSTEM_CALL or NOT_ROOT when there cannot be such a file. */
  static open(name: string, limit = LOG_BYTES): LogFile {
    const path = logPath(name);
    try {
      ensureFolder(stateFolder());
      return new LogFile(path, limit);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const forbidden = code === 'EACCES' || code === 'EPERM';
      throw new VpnrError(forbidden ? 'NOT_ROOT' : 'SYSTEM_CALL', `cannot write the log: ${message}`, {
        remedy: forbidden ? 'run vpnr as root' : 'set VPNR_STATE_DIR to a folder that can be written',
        cause: error,
      });
    }
  }

  /** Appends an entry. One that cannot be written (a full disk) is counted, and leaves nothing of itself behind. */
  append(entry: LogEntry): void {
    const lost = this.#lost === 0 ? '' : `${JSON.stringify({ lost: this.#lost })}\n`;
    const bytes = Buffer.from(`${lost}${JSON.stringify(entry)}\n`);
    try {
      if (this.#size > 0 && this.#size + bytes.length > this.#limit) this.#rotate();
      if (writeSync(this.#fd, bytes) < bytes.length) throw new Error('the disk is full');
      this.#size += bytes.length;
      this.#lost = 0;
    } catch {
      this.#lost++;
      this.#cutBack();
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #rotate(): void {
    const previous = `${this.#path}.1`;
    renameSync(this.#path, previous);
    let next: number;
    try {
      next = openLog(this.#path);
    } catch (error) {
      renameSync(previous, this.#path);
      throw error;
    }
    closeSync(this.#fd);
    this.#fd = next;
    this.#size = 0;
  }

  #cutBack(): void {
    try {
      ftruncateSync(this.#fd, this.#size);
    } catch {
      // A line cut short remains; readers pass it over.
    }
  }
}

/** The last `lines` entries that are in the files; undefined when there is no file. */
export function readLog(name: string, lines: number): LogEntry[] | undefined {
  const path = logPath(name);
  const parts = [`${path}.1`, path].map(readEntries);
  if (parts.every(part => part === undefined)) return undefined;
  return lines === 0 ? [] : parts.flatMap(part => part ?? []).slice(-lines);
}

function openLog(path: string): number {
  const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW } = constants;
  return openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
}

function readEntries(path: string): LogEntry[] | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new VpnrError(code === 'EACCES' ? 'NOT_ROOT' : 'SYSTEM_CALL', `cannot read the log: ${message}`, {
      remedy: 'run it as root, as vpnr itself runs',
      cause: error,
    });
  }
  return text.split('\n').flatMap(line => {
    try {
      return [JSON.parse(line) as LogEntry];
    } catch {
      return [];
    }
  });
}
