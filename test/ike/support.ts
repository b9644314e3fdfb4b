import * as assert from 'uvu/assert';
import { IkeSyntaxError } from '../../src/ike/syntax.js';

/** Bytes of hexadecimal digits; white space between them is ignored. */
export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replace(/\s+/g, ''), 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Runs `parse`, which must throw `IkeSyntaxError`, and gives that. */
export function syntaxError(parse: () => unknown): IkeSyntaxError {
  try {
    parse();
  } catch (error) {
    if (error instanceof IkeSyntaxError) return error;
    throw error;
  }
  return assert.unreachable('expected IkeSyntaxError, nothing was thrown') as never;
}

/** Runs `parse`: its result, or the error if that is of the one kind that is allowed. */
export function attempt<T>(parse: () => T): T | IkeSyntaxError {
  try {
    return parse();
  } catch (error) {
    if (error instanceof IkeSyntaxError) return error;
    throw error;
  }
}

/** Both outcomes must occur often enough for a test with random input to mean anything. */
export function report(what: string, accepted: number, refused: number): void {
  console.log(`${what}: ${accepted} accepted, ${refused} refused`);
  assert.ok(accepted > (accepted + refused) / 1000 && refused > (accepted + refused) / 1000, what);
}
