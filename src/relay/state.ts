/**
 * What a relay remembers over a restart: sessions and leases, in `DIRECTORY/sessions.json`. Secrets are stored
 * as hashes, traffic keys and what counts with them not at all: a session that goes on after a restart gets fresh keys. What
 * had been received when the relay ended is for the client to know; nothing here begins with it.
 */
import { readFile, rename } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import * as z from 'zod';
import { VpnrError } from '../errors.js';
import { writeFileAtomic } from '../io/atomic-file.js';
import { keysId, receiveState } from './protocol.js';

const FILE = 'sessions.json';
const VERSION = 1;

const sessionSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  /** SHA-256 in hexadecimal. */
  secretHash: z.string().regex(/^[0-9a-f]{64}$/),
  client: z.string(),
  lease: z.string().refine(isIPv4),
  /** Milliseconds since 1970, UTC. */
  lastActive: z.number(),
  /** Received until the relay ended, under the keys of this id. */
  ended: z.strictObject({ keys: keysId, received: receiveState }).exactOptional(),
});

const stateSchema = z.strictObject({ version: z.literal(VERSION), sessions: z.array(sessionSchema) });

export type SavedSession = z.infer<typeof sessionSchema>;

export class StateStore {
  readonly #path: string;
  #writing: Promise<void> | undefined;
  #waiting: Promise<void> | undefined;

  constructor(directory: string) {
    this.#path = join(directory, FILE);
  }

  /**
   * The sessions of before. A file that makes no sense is set aside, and `setAside` says so. Throws SYSTEM_CALL
   * when the file is there and cannot be read.
   */
  async load(): Promise<{ sessions: SavedSession[]; setAside?: string }> {
    const text = await this.#read();
    if (text === undefined) return { sessions: [] };
    try {
      return { sessions: stateSchema.parse(JSON.parse(text)).sessions };
    } catch {
      const corrupt = `${this.#path}.corrupt`;
      await rename(this.#path, corrupt).catch(error => {
        throw new VpnrError('SYSTEM_CALL', `the damaged state file cannot be set aside: ${error.message}`, {
          cause: error,
        });
      });
      return {
        sessions: [],
        setAside: `the state file ${this.#path} is damaged; it was renamed to ${corrupt}, and clients get new leases`,
      };
    }
  }

  /**
   * Writes the state. While one write is under way, all further calls share the next one, which reads
   * `sessions` when it begins: so a burst of new sessions costs two writes. Throws SYSTEM_CALL.
   */
  save(sessions: () => SavedSession[]): Promise<void> {
    if (this.#writing === undefined) {
      this.#writing = this.#write(sessions).finally(() => {
        this.#writing = undefined;
      });
      return this.#writing;
    }
    this.#waiting ??= this.#writing
      .catch(() => {})
      .then(() => {
        this.#waiting = undefined;
        return this.save(sessions);
      });
    return this.#waiting;
  }

  async #read(): Promise<string | undefined> {
    try {
      return await readFile(this.#path, 'utf8');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      throw new VpnrError('SYSTEM_CALL', `the state file cannot be read: ${message}`, { cause: error });
    }
  }

  async #write(sessions: () => SavedSession[]): Promise<void> {
    const content = JSON.stringify({ version: VERSION, sessions: sessions() });
    try {
      await writeFileAtomic(this.#path, content);
    } catch (error) {
      const { message } = error as Error;
      throw new VpnrError('SYSTEM_CALL', `the relay's state cannot be written: ${message}`, {
        remedy: 'make room there, or name a folder elsewhere as "state"',
        cause: error,
      });
    }
  }
}
