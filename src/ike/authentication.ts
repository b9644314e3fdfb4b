// The AUTH payload, made and checked: RFC 7296 section 2.15. One method so far, the pre-shared key; digital signatures
// (RFC 7427) and EAP would be further cases here, chosen by the credentials in `AuthInputs`.
import type { Secret } from '../secret.js';
import type { Prf } from './api.js';
import { AuthMethod } from './constants.js';
import { sharedKeyAuth, verifySharedKeyAuth } from './crypto/auth.js';
import type { AuthPayload } from './payloads/auth.js';
import { type IdPayload, idBody } from './payloads/id.js';

/** What one side's AUTH payload covers, and the key it is made with. */
export interface AuthInputs {
  prf: Prf;
  psk: Secret;
  /** That side's IKE_SA_INIT message. */
  message: Uint8Array;
  /** The other side's nonce. */
  peerNonce: Uint8Array;
  /** That side's SK_pi or SK_pr. */
  authKey: Secret;
  id: IdPayload;
}

export function makeAuth({ prf, psk, message, peerNonce, authKey, id }: AuthInputs): AuthPayload {
  const data = sharedKeyAuth(prf, psk, { message, peerNonce, authKey, idBody: idBody(id) });
  return { type: 'AUTH', method: AuthMethod.SHARED_KEY_MIC, data };
}

/** Whether the other side's AUTH payload proves that it holds the key. */
export function isAuthentic(auth: AuthPayload, inputs: AuthInputs): boolean {
  const { prf, psk, message, peerNonce, authKey, id } = inputs;
  if (auth.method !== AuthMethod.SHARED_KEY_MIC) return false;
  return verifySharedKeyAuth(prf, psk, { message, peerNonce, authKey, idBody: idBody(id) }, auth.data);
}
