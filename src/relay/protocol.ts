/**
 * The relay's control protocol: messages over TLS 1.3, each a u32 length in network order and that many bytes of
 * UTF-8 JSON.
 *
 *   client                                   relay
 *   hello (who, proof of the token)  ->
 *                                    <-      welcome (session, lease, where the data goes) or refused
 *   ping                             ->
 *                                    <-      pong
 *                                    <-      drain (the relay is about to stop)
 *   bye                              -> <-   bye (the end; a session can be resumed after it)
 *
 * The proof that the client has its token is bound to the TLS connection (see `keys.ts`), so the token itself
 * is never sent, not even to a false relay.
 */
import { isIPv4 } from 'node:net';
import * as z from 'zod';
import type { RelayMode } from '../dataplane/api.js';
import { type ErrorCode, VpnrError } from '../errors.js';
import { PROBE_BITMAP_MAX, RELAY_PROBE_BODY } from '../packet/abi.js';

export const PROTOCOL_VERSION = 1;
/** Application-Layer Protocol Negotiation (RFC 7301): no other protocol's server is taken for a relay. */
export const ALPN = 'vpnr-relay/1';
/** Bytes of the longest message, without its length. */
export const MAX_MESSAGE = 4096;
export const LENGTH_SIZE = 4;

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
const modes = ['clear', 'sealed', 'ipip'] as const satisfies RelayMode[];
/** Text that others will see: no control characters, which a terminal might obey. */
const printable = (length: number) =>
  z
    .string()
    .min(1)
    .max(length)
    .regex(/^\P{C}*$/u);
const port = z.int().min(1).max(0xffff);
/** What a relay has received of a session: a probe's body (`assembly/receive_state.ts`), in hexadecimal. */
export const receiveState = z
  .string()
  .regex(/^([0-9a-f]{2})*$/)
  .min(2 * RELAY_PROBE_BODY)
  .max(2 * (RELAY_PROBE_BODY + PROBE_BITMAP_MAX));

/** Names traffic keys. */
export const keysId = hex(8);

const helloSchema = z.strictObject({
  type: z.literal('hello'),
  version: z.literal(PROTOCOL_VERSION),
  name: printable(255),
  /** HMAC-SHA-256 with the token as key. */
  proof: hex(32),
  mode: z.enum(modes),
  /**
   * A session of before. `keys`: the id of the traffic keys that the client holds, with their sequence numbers. It says
   * which, for the relay may have given others since, in a welcome that was lost.
   */
  resume: z.strictObject({ id: hex(16), secret: hex(32), keys: keysId.exactOptional() }).exactOptional(),
});

const pingSchema = z.strictObject({ type: z.literal('ping'), id: z.int().min(0).max(0xffffffff) });
const pongSchema = z.strictObject({ type: z.literal('pong'), id: z.int().min(0).max(0xffffffff) });
const byeSchema = z.strictObject({ type: z.literal('bye') });
const drainSchema = z.strictObject({ type: z.literal('drain') });

const welcomeSchema = z.strictObject({
  type: z.literal('welcome'),
  version: z.literal(PROTOCOL_VERSION),
  index: z.int().min(1).max(0xffffffff),
  lease: z.string().refine(isIPv4),
  /** The one asked for. */
  mode: z.enum(modes),
  dataPort: port,
  mtu: z.int().min(576).max(0xffff).exactOptional(),
  id: hex(16),
  /** With a new session; a resumed one keeps its secret. */
  secret: hex(32).exactOptional(),
  /** `kept`: keys, sequence numbers and index go on; `fresh`: keys come from this TLS connection. */
  keys: z.enum(['fresh', 'kept']),
  /** With `fresh`: the relay of before ended in order, and had received this under the keys that the client named. */
  received: receiveState.exactOptional(),
});

/** Errors that a client is told of as they are. */
const refusals = [
  'RELAY_TOKEN_REFUSED',
  'RELAY_POOL_EMPTY',
  'RELAY_DRAINED',
  'RELAY_PROTOCOL',
] as const satisfies ErrorCode[];

const refusedSchema = z.strictObject({
  type: z.literal('refused'),
  code: z.enum(refusals),
  message: printable(500),
});

const clientMessageSchema = z.discriminatedUnion('type', [helloSchema, pingSchema, byeSchema]);
const relayMessageSchema = z.discriminatedUnion('type', [
  welcomeSchema,
  refusedSchema,
  pongSchema,
  drainSchema,
  byeSchema,
]);

export type Hello = z.infer<typeof helloSchema>;
export type Welcome = z.infer<typeof welcomeSchema>;
export type Refused = z.infer<typeof refusedSchema>;
export type ClientMessage = z.infer<typeof clientMessageSchema>;
export type RelayMessage = z.infer<typeof relayMessageSchema>;

/** Whether a client is told of this error as it is. */
export function isRefusal(code: ErrorCode): code is Refused['code'] {
  return refusals.some(refusal => refusal === code);
}

/** The message as it is sent, length in front. */
export function encodeMessage(message: ClientMessage | RelayMessage): Uint8Array {
  const body = Buffer.from(JSON.stringify(message));
  if (body.length > MAX_MESSAGE)
    throw new VpnrError('INTERNAL', `a ${message.type} message of ${body.length} bytes`);
  const framed = Buffer.allocUnsafe(LENGTH_SIZE + body.length);
  framed.writeUInt32BE(body.length);
  framed.set(body, LENGTH_SIZE);
  return framed;
}

/** Reads what a client sent, without the length. Throws RELAY_PROTOCOL. */
export function parseClientMessage(body: Uint8Array): ClientMessage {
  return parse(clientMessageSchema, body);
}

/** Reads what a relay sent, without the length. Throws RELAY_PROTOCOL. */
export function parseRelayMessage(body: Uint8Array): RelayMessage {
  return parse(relayMessageSchema, body);
}

function parse<T>(schema: z.ZodType<T>, body: Uint8Array): T {
  const value = readJson(body);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const version = (value as { version?: unknown } | null)?.version;
  if (Number.isInteger(version) && version !== PROTOCOL_VERSION) {
    throw new VpnrError('RELAY_PROTOCOL', `version ${version} of the relay protocol is not supported`, {
      remedy: `use the same release of vpnr on both sides; this one speaks version ${PROTOCOL_VERSION}`,
    });
  }
  const [issue] = result.error.issues;
  const where = issue?.path.join('.') || 'type';
  if (where === 'mode' && typeof (value as { mode?: unknown }).mode === 'string') {
    throw new VpnrError(
      'RELAY_PROTOCOL',
      `the mode is not known here: this release knows ${modes.join(', ')}`,
    );
  }
  throw new VpnrError('RELAY_PROTOCOL', `a message of the relay protocol is malformed at "${where}"`);
}

function readJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new VpnrError('RELAY_PROTOCOL', 'a message of the relay protocol is not JSON');
  }
}

/** Cuts a stream of bytes into message bodies. Holds one message at most. */
export class MessageReader {
  readonly #buffer = Buffer.alloc(LENGTH_SIZE + MAX_MESSAGE);
  /** Bytes of the message under way, its length included. */
  #filled = 0;
  #wanted = LENGTH_SIZE;

  /** The bodies that are complete now. Throws RELAY_PROTOCOL for a length that is not allowed. */
  push(chunk: Uint8Array): Uint8Array[] {
    const bodies: Uint8Array[] = [];
    for (let offset = 0; offset < chunk.length; ) {
      const part = chunk.subarray(offset, offset + this.#wanted - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      offset += part.length;
      if (this.#filled < this.#wanted) break;
      if (this.#wanted === LENGTH_SIZE) {
        this.#wanted += this.#readLength();
      } else {
        bodies.push(Uint8Array.prototype.slice.call(this.#buffer, LENGTH_SIZE, this.#wanted));
        this.#filled = 0;
        this.#wanted = LENGTH_SIZE;
      }
    }
    return bodies;
  }

  #readLength(): number {
    const length = this.#buffer.readUInt32BE();
    if (length === 0 || length > MAX_MESSAGE) {
      throw new VpnrError('RELAY_PROTOCOL', `a message of ${length} bytes; 1 to ${MAX_MESSAGE} are allowed`);
    }
    return length;
  }
}
