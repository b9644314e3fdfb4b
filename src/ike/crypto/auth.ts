// Authentication of the IKE SA with a shared key, RFC 7296 section 2.15.
import { timingSafeEqual } from 'node:crypto';
import type { Secret } from '../../secret.js';
import type { Prf } from '../api.js';
import { computePrf } from './prf.js';

const KEY_PAD = new TextEncoder().encode('Key Pad for IKEv2');

/** What one side signs. */
export interface SignedOctets {
  /** The side's own IKE_SA_INIT message, the last one sent, byte for byte and without non-ESP marker. */
  message: Uint8Array;
  /** The nonce of the other side. */
  peerNonce: Uint8Array;
  /** The side's SK_pi or SK_pr. */
  authKey: Secret;
  /** The side's ID payload without its generic header (`idBody`). */
  idBody: Uint8Array;
}

/** AUTH = prf(prf(Shared Secret, "Key Pad for IKEv2"), message | peer's nonce | prf(SK_p, ID body)). */
export function sharedKeyAuth(prf: Prf, psk: Secret, signed: SignedOctets): Uint8Array {
  const key = computePrf(prf, psk.reveal(), KEY_PAD);
  const macedId = computePrf(prf, signed.authKey.reveal(), signed.idBody);
  const auth = computePrf(prf, key, signed.message, signed.peerNonce, macedId);
  key.fill(0);
  return auth;
}

/** Whether `auth` is what the other side must have sent; takes the same time wherever the two differ. */
export function verifySharedKeyAuth(prf: Prf, psk: Secret, signed: SignedOctets, auth: Uint8Array): boolean {
  const expected = sharedKeyAuth(prf, psk, signed);
  return auth.length === expected.length && timingSafeEqual(auth, expected);
}
