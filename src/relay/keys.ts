/** What both ends of a control connection derive and compare. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { RelayMode } from '../dataplane/api.js';
import { VpnrError } from '../errors.js';
import { RELAY_KEY, RELAY_SEALED_KEY } from '../packet/abi.js';
import { Secret } from '../secret.js';

const DATA_LABEL = 'EXPORTER-vpnr-relay-data';
const SEALED_LABEL = 'EXPORTER-vpnr-relay-sealed';
const KEYS_ID_LABEL = 'EXPORTER-vpnr-relay-keys-id';
const TOKEN_LABEL = 'EXPORTER-vpnr-relay-token';
const KEYS_ID_SIZE = 8;
const EXPORTED_TOKEN_SIZE = 32;

/** SipHash keys of 16 bytes; in sealed mode ChaCha20-Poly1305's of 32 bytes, each with 4 of salt behind it. */
export interface TrafficKeys {
  /** Names these keys, and tells nothing about them: 8 bytes in hexadecimal. */
  id: string;
  sendKey: Secret;
  receiveKey: Secret;
}

/**
 * The session's keys from the connection's exporter (RFC 8446 section 7.5), with the session id as context:
 * client to relay first, then relay to client. Whoever installs them begins their sequence numbers anew, so they are
 * exported once for a connection; the next connection's are others.
 */
export function exportTrafficKeys(
  socket: TLSSocket,
  sessionId: string,
  mode: RelayMode,
  role: 'client' | 'relay',
): TrafficKeys {
  const context = Buffer.from(sessionId, 'hex');
  const id = socket.exportKeyingMaterial(KEYS_ID_SIZE, KEYS_ID_LABEL, context).toString('hex');
  const [label, size] = mode === 'sealed' ? [SEALED_LABEL, RELAY_SEALED_KEY] : [DATA_LABEL, RELAY_KEY];
  const exported = socket.exportKeyingMaterial(2 * size, label, context);
  const toRelay = new Secret(Uint8Array.from(exported.subarray(0, size)));
  const toClient = new Secret(Uint8Array.from(exported.subarray(size)));
  exported.fill(0);
  return role === 'client'
    ? { id, sendKey: toRelay, receiveKey: toClient }
    : { id, sendKey: toClient, receiveKey: toRelay };
}

/**
 * Proof that the client `name` has its token, worth nothing outside this connection: HMAC-SHA-256 with the token
 * as key over the connection's exporter value and the name.
 */
export function tokenProof(socket: TLSSocket, token: Secret, name: string): Buffer {
  const channel = socket.exportKeyingMaterial(EXPORTED_TOKEN_SIZE, TOKEN_LABEL, Buffer.alloc(0));
  return createHmac('sha256', token.reveal()).update(channel).update(name).digest();
}

/** What is kept of a session's secret by the relay. The secret has 256 random bits: no salt, no stretching. */
export function hashSecret(secretHex: string): Buffer {
  return createHash('sha256').update(Buffer.from(secretHex, 'hex')).digest();
}

/** Compares without telling by its duration where the first difference is. */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** SHA-256 of a certificate in DER. */
export function fingerprintOf(der: Uint8Array): Buffer {
  return createHash('sha256').update(der).digest();
}

/** As it is written in a configuration. */
export function formatFingerprint(fingerprint: Uint8Array): string {
  return `sha256:${Buffer.from(fingerprint).toString('hex')}`;
}

/** Reads 64 hex digits, with or without `sha256:` in front and colons between bytes. Throws CONFIG_INVALID. */
export function parseFingerprint(text: string): Buffer {
  const match = /^(?:sha256:)?([0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){31})$/i.exec(text.trim());
  if (match?.[1] === undefined) {
    throw new VpnrError('CONFIG_INVALID', `"${text}" is not a fingerprint`, {
      remedy: 'write sha256: and the 64 hex digits of the SHA-256 of the certificate in DER form',
    });
  }
  return Buffer.from(match[1].replaceAll(':', ''), 'hex');
}
