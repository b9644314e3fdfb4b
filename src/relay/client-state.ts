/**
 * What a client keeps of its relay session on the disk, so that it gets the same lease after a restart. Keys and
 * counters are never there: after a restart they are always fresh.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { writeFileAtomic } from '../io/atomic-file.js';
import { Secret } from '../secret.js';
import type { ResumeState } from './attempt.js';

const stateSchema = z.strictObject({
  version: z.literal(1),
  /** The relay that the session is with. */
  relay: z.string(),
  id: z.string().regex(/^[0-9a-f]{32}$/),
  secret: z.string().regex(/^[0-9a-f]{64}$/),
});

export class ClientStateFile {
  readonly #path: string;
  readonly #relay: string;

  /** `name`: of the connection; `relay`: names the relay, such as its address and port. */
  constructor(directory: string, name: string, relay: string) {
    this.#path = join(directory, `${name}.session.json`);
    this.#relay = relay;
  }

  /** Undefined when there is no session with this relay to go on with, or the file makes no sense. */
  async load(): Promise<ResumeState | undefined> {
    try {
      const { relay, id, secret } = stateSchema.parse(JSON.parse(await readFile(this.#path, 'utf8')));
      if (relay !== this.#relay) return undefined;
      return { id, secret: new Secret(Uint8Array.from(Buffer.from(secret, 'hex'))) };
    } catch {
      // The worst that follows is a new session, and what was in the file goes when it is saved.
      return undefined;
    }
  }

  async save({ id, secret }: ResumeState): Promise<void> {
    const hex = Buffer.from(secret.reveal()).toString('hex');
    await writeFileAtomic(this.#path, JSON.stringify({ version: 1, relay: this.#relay, id, secret: hex }));
  }
}
