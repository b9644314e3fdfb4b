// Key derivation: RFC 7296 sections 2.14 (IKE SA), 2.17 (Child SA) and 2.18 (rekeyed IKE SA).
import { Secret } from '../../secret.js';
import type { EspSuite, IkeEncryption, Prf } from '../api.js';
import { concat, u64Bytes } from '../bytes.js';
import { INTEGRITY_KEY_SIZE } from './cbc.js';
import { computePrf, prfPlus, prfSize } from './prf.js';

/** The keys of one IKE SA. AEADs have no SK_ai and no SK_ar (RFC 5282 section 7). */
export interface IkeKeys {
  /** SK_d: for the keys of children and of the next IKE SA. */
  derive: Secret;
  /** SK_ei and SK_er, each a key and its salt, or with SK_ai and SK_ar behind them: for what initiator and responder send. */
  initiatorEncryption: Secret;
  responderEncryption: Secret;
  /** SK_pi and SK_pr: for AUTH. */
  initiatorAuth: Secret;
  responderAuth: Secret;
}

export interface Nonces {
  initiatorNonce: Uint8Array;
  responderNonce: Uint8Array;
}

/** What both sides of an exchange know in the end. The initiator is the one of this exchange. */
export interface IkeKeyInputs extends Nonces {
  /** Of the new IKE SA. */
  prf: Prf;
  encryption: IkeEncryption;
  initiatorSpi: bigint;
  responderSpi: bigint;
  /** g^ir; the caller wipes it. */
  sharedSecret: Secret;
}

/**
 * Bytes of key and salt: RFC 7634 section 2, RFC 4106 section 8.1, RFC 5282 section 7.1; or of the keys for encryption and
 * integrity, in this order: RFC 7296 section 2.17, RFC 4868 section 2.1.1.
 */
const KEY_SIZE: Record<EspSuite, number> = {
  chacha20poly1305: 36,
  aes256gcm16: 36,
  aes128gcm16: 20,
  'aes256-sha256': 64,
  'aes128-sha256': 48,
};

/** Of that, the bytes for integrity. */
const INTEGRITY_SIZE: Record<EspSuite, number> = {
  chacha20poly1305: 0,
  aes256gcm16: 0,
  aes128gcm16: 0,
  'aes256-sha256': INTEGRITY_KEY_SIZE,
  'aes128-sha256': INTEGRITY_KEY_SIZE,
};

/** Section 2.14: SKEYSEED = prf(Ni | Nr, g^ir). */
export function deriveIkeKeys(inputs: IkeKeyInputs): IkeKeys {
  const { prf, initiatorNonce, responderNonce, sharedSecret } = inputs;
  return expand(inputs, computePrf(prf, concat(initiatorNonce, responderNonce), sharedSecret.reveal()));
}

/** Section 2.18: SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr), with the old SA's prf. */
export function deriveRekeyedIkeKeys(oldPrf: Prf, oldDerive: Secret, inputs: IkeKeyInputs): IkeKeys {
  const { initiatorNonce, responderNonce, sharedSecret } = inputs;
  const seed = computePrf(oldPrf, oldDerive.reveal(), sharedSecret.reveal(), initiatorNonce, responderNonce);
  return expand(inputs, seed);
}

/** {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr). Wipes the SKEYSEED. */
function expand(inputs: IkeKeyInputs, skeyseed: Uint8Array): IkeKeys {
  const { prf, encryption, initiatorNonce, responderNonce, initiatorSpi, responderSpi } = inputs;
  const keySize = prfSize(prf);
  const integritySize = INTEGRITY_SIZE[encryption];
  const encryptionSize = KEY_SIZE[encryption] - integritySize;
  const seed = concat(initiatorNonce, responderNonce, u64Bytes(initiatorSpi), u64Bytes(responderSpi));
  const stream = prfPlus(prf, skeyseed, seed, 3 * keySize + 2 * (integritySize + encryptionSize));
  skeyseed.fill(0);
  const cut = cutter(stream);
  const derive = cut(keySize);
  const [initiatorIntegrity, responderIntegrity] = [cut(integritySize), cut(integritySize)];
  const [initiatorEncryption, responderEncryption] = [cut(encryptionSize), cut(encryptionSize)];
  const [initiatorAuth, responderAuth] = [cut(keySize), cut(keySize)];
  const keys = {
    derive: new Secret(derive.slice()),
    initiatorEncryption: new Secret(concat(initiatorEncryption, initiatorIntegrity)),
    responderEncryption: new Secret(concat(responderEncryption, responderIntegrity)),
    initiatorAuth: new Secret(initiatorAuth.slice()),
    responderAuth: new Secret(responderAuth.slice()),
  };
  stream.fill(0);
  return keys;
}

export function wipeIkeKeys(keys: IkeKeys): void {
  for (const key of Object.values(keys) as Secret[]) key.wipe();
}

export interface ChildKeyInputs extends Nonces {
  /** Of the IKE SA, with its SK_d. */
  prf: Prf;
  derive: Secret;
  suite: EspSuite;
  /** g^ir of the CREATE_CHILD_SA exchange, if it had one; the caller wipes it. */
  sharedSecret?: Secret;
}

export interface ChildKeys {
  /** Key and salt, or both keys, for what the initiator of the exchange sends. */
  initiator: Secret;
  responder: Secret;
}

/** Section 2.17: KEYMAT = prf+(SK_d, [g^ir (new) |] Ni | Nr), the initiator's key first. */
export function deriveChildKeys(inputs: ChildKeyInputs): ChildKeys {
  const { prf, derive, suite, initiatorNonce, responderNonce, sharedSecret } = inputs;
  const size = KEY_SIZE[suite];
  const seed = concat(sharedSecret?.reveal() ?? new Uint8Array(0), initiatorNonce, responderNonce);
  const keymat = prfPlus(prf, derive.reveal(), seed, 2 * size);
  seed.fill(0);
  const cut = cutter(keymat);
  const keys = { initiator: new Secret(cut(size).slice()), responder: new Secret(cut(size).slice()) };
  keymat.fill(0);
  return keys;
}

/** Cuts pieces off a stream, one after the other. They are no copies. */
function cutter(stream: Uint8Array): (size: number) => Uint8Array {
  let at = 0;
  return size => {
    at += size;
    return stream.subarray(at - size, at);
  };
}
