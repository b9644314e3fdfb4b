/** The clients of a server by name, each with the secret that proves who it is. Which those are may change while it serves. */
import { timingSafeEqual } from 'node:crypto';
import { VpnrError } from '../errors.js';
import type { Secret } from '../secret.js';

/** Names of clients. */
export interface RosterChange {
  added: string[];
  removed: string[];
  /** Those whose secret is another one. */
  changed: string[];
}

export class Roster {
  #secrets = new Map<string, Secret>();

  /** The secrets become the roster's. Throws CONFIG_INVALID for a name that is there twice, or an empty secret. */
  constructor(entries: Iterable<readonly [name: string, secret: Secret]>) {
    for (const [name, secret] of entries) {
      if (this.#secrets.has(name)) {
        throw new VpnrError('CONFIG_INVALID', `two clients have the name "${name}"`);
      }
      if (secret.length === 0) {
        throw new VpnrError('CONFIG_INVALID', `the secret of client "${name}" is empty`);
      }
      this.#secrets.set(name, secret);
    }
  }

  /** As the constructor, of secrets that are still to be read: when one cannot be, those that were are wiped. */
  static read(entries: readonly (readonly [name: string, read: () => Secret])[]): Roster {
    const secrets: [string, Secret][] = [];
    try {
      for (const [name, read] of entries) secrets.push([name, read()]);
      return new Roster(secrets);
    } catch (error) {
      for (const [, secret] of secrets) secret.wipe();
      throw error;
    }
  }

  get size(): number {
    return this.#secrets.size;
  }

  get names(): string[] {
    return [...this.#secrets.keys()];
  }

  has(name: string): boolean {
    return this.#secrets.has(name);
  }

  /** The same object for as long as the client has this secret. */
  get(name: string): Secret | undefined {
    return this.#secrets.get(name);
  }

  /** Takes over the clients of another roster, which is of no use any more, and wipes the secrets that nobody has now. */
  replace(next: Roster): RosterChange {
    const change: RosterChange = { added: [], removed: [], changed: [] };
    const secrets = new Map<string, Secret>();
    for (const [name, secret] of next.#secrets) {
      const known = this.#secrets.get(name);
      if (known !== undefined && isSame(known, secret)) {
        secret.wipe();
        secrets.set(name, known);
        continue;
      }
      secrets.set(name, secret);
      (known === undefined ? change.added : change.changed).push(name);
    }
    for (const [name, known] of this.#secrets) {
      if (secrets.get(name) !== known) known.wipe();
      if (!secrets.has(name)) change.removed.push(name);
    }
    this.#secrets = secrets;
    next.#secrets = new Map();
    return change;
  }

  wipe(): void {
    for (const secret of this.#secrets.values()) secret.wipe();
  }
}

function isSame(a: Secret, b: Secret): boolean {
  return a.length === b.length && timingSafeEqual(a.reveal(), b.reveal());
}
