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
