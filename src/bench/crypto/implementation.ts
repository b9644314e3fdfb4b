import type { Keys, Packet } from './packets.js';

export type Operation = 'seal' | 'open';

/** One implementation of a suite, with keys and a batch of packets. */
export interface Implementation {
  name: ImplementationName;
  /** Puts what is to be sealed or opened in place; outside of the time that is measured. */
  prepare(operation: Operation): void;
  /** Seals or opens the whole batch. Throws when a tag is wrong. */
  run(operation: Operation): void;
  /**
   * What the last run has made of packet `index`: after 'seal' ciphertext and tag, with AES-CBC the whole ESP packet; after
   * 'open' the plaintext.
   */
  result(index: number, operation: Operation): Uint8Array;
  /** Changes a bit of what `prepare('open')` has put in place for packet `index`: opening must fail. */
  spoil(index: number): void;
}

export type ImplementationName = 'wasm' | 'node' | 'noble';

export type Make = (keys: Keys, packets: readonly Packet[], sealed: readonly Uint8Array[]) => Implementation;
