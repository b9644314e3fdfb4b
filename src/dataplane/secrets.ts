import type { Secret } from '../secret.js';

/** The secret's bytes in a buffer of their own that can be transferred to the worker; the secret itself is wiped. */
export function takeBytes(secret: Secret): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(secret.reveal());
  secret.wipe();
  return bytes;
}
