import { createHmac, hkdfSync } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { IkeEncryption, Prf } from '../../../src/ike/api.js';
import {
  deriveChildKeys,
  deriveIkeKeys,
  deriveRekeyedIkeKeys,
  type IkeKeyInputs,
  type IkeKeys,
  wipeIkeKeys,
} from '../../../src/ike/crypto/keys.js';
import { Secret } from '../../../src/secret.js';
import { hex } from '../support.js';

const HASH: Record<Prf, string> = { prfsha256: 'sha256', prfsha384: 'sha384', prfsha512: 'sha512' };
const SIZE: Record<Prf, number> = { prfsha256: 32, prfsha384: 48, prfsha512: 64 };
/** Of each direction: bytes for encryption, with the salt, and for integrity. */
const KEY_SIZES: Record<IkeEncryption, [encryption: number, integrity: number]> = {
  chacha20poly1305: [36, 0],
  aes256gcm16: [36, 0],
  aes128gcm16: [20, 0],
  'aes256-sha256': [32, 32],
  'aes128-sha256': [16, 32],
};
const PRFS = Object.keys(HASH) as Prf[];
const CIPHERS = Object.keys(KEY_SIZES) as IkeEncryption[];

const NI = new Uint8Array(32).fill(0x11);
const NR = new Uint8Array(24).fill(0x22);
const SPI_I = 0x0102030405060708n;
const SPI_R = 0xf1f2f3f4f5f6f7f8n;
const SHARED = new Uint8Array(32).fill(0x33);

function inputs(prf: Prf, encryption: IkeEncryption): IkeKeyInputs {
  return {
    prf,
    encryption,
    initiatorNonce: NI,
    responderNonce: NR,
    initiatorSpi: SPI_I,
    responderSpi: SPI_R,
    sharedSecret: new Secret(SHARED.slice()),
  };
}

/** In the order of section 2.14; behind a key for encryption stands the one for integrity. */
function joined(keys: IkeKeys, encryption: IkeEncryption): Uint8Array {
  const [size] = KEY_SIZES[encryption];
  const both = [keys.initiatorEncryption.reveal(), keys.responderEncryption.reveal()];
  const order = [
    keys.derive.reveal(),
    ...both.map(key => key.subarray(size)),
    ...both.map(key => key.subarray(0, size)),
    keys.initiatorAuth.reveal(),
    keys.responderAuth.reveal(),
  ];
  return new Uint8Array(Buffer.concat(order));
}

function seed(): Buffer {
  return Buffer.concat([NI, NR, hex('0102030405060708 f1f2f3f4f5f6f7f8')]);
}

/** prf+ written down as in RFC 7296 section 2.13. */
function expand(hash: string, key: Uint8Array, data: Uint8Array, size: number): Uint8Array {
  const blocks: Buffer[] = [];
  for (let n = 1; Buffer.concat(blocks).length < size; n++) {
    const previous = blocks.at(-1) ?? Buffer.alloc(0);
    blocks.push(createHmac(hash, key).update(previous).update(data).update(Buffer.of(n)).digest());
  }
  return new Uint8Array(Buffer.concat(blocks).subarray(0, size));
}

for (const prf of PRFS) {
  for (const encryption of CIPHERS) {
    const keySize = KEY_SIZES[encryption][0] + KEY_SIZES[encryption][1];
    const size = 3 * SIZE[prf] + 2 * keySize;

    // SKEYSEED is HKDF-Extract and prf+ is HKDF-Expand.
    test(`IKE SA, ${prf} and ${encryption}: as HKDF gives them, in the order of section 2.14`, () => {
      const keys = deriveIkeKeys(inputs(prf, encryption));
      const salt = Buffer.concat([NI, NR]);
      assert.equal(joined(keys, encryption), new Uint8Array(hkdfSync(HASH[prf], SHARED, salt, seed(), size)));
      assert.is(keys.derive.length, SIZE[prf]);
      assert.is(keys.initiatorEncryption.length, keySize);
      assert.is(keys.responderAuth.length, SIZE[prf]);
    });

    test(`rekeyed IKE SA, ${prf} and ${encryption}: from the old SK_d with the old prf, section 2.18`, () => {
      const old = new Uint8Array(48).fill(0x44);
      const keys = deriveRekeyedIkeKeys('prfsha384', new Secret(old.slice()), inputs(prf, encryption));
      const skeyseed = createHmac('sha384', old).update(SHARED).update(NI).update(NR).digest();
      assert.equal(joined(keys, encryption), expand(HASH[prf], skeyseed, seed(), size));
    });

    test(`Child SA, ${prf} and ${encryption}: the initiator's key is the first, section 2.17`, () => {
      const derive = new Uint8Array(SIZE[prf]).fill(0x55);
      const base = {
        prf,
        suite: encryption,
        derive: new Secret(derive.slice()),
        initiatorNonce: NI,
        responderNonce: NR,
      };
      const plain = deriveChildKeys(base);
      const keymat = Buffer.concat([plain.initiator.reveal(), plain.responder.reveal()]);
      const bytes = 2 * keySize;
      assert.equal(new Uint8Array(keymat), expand(HASH[prf], derive, Buffer.concat([NI, NR]), bytes));
      const forward = deriveChildKeys({ ...base, sharedSecret: new Secret(SHARED.slice()) });
      const forwardKeymat = Buffer.concat([forward.initiator.reveal(), forward.responder.reveal()]);
      const data = Buffer.concat([SHARED, NI, NR]);
      assert.equal(new Uint8Array(forwardKeymat), expand(HASH[prf], derive, data, bytes));
    });
  }
}

test('wiping leaves zeros in all keys, and printing shows none', () => {
  const keys = deriveIkeKeys(inputs('prfsha256', 'chacha20poly1305'));
  assert.is(JSON.stringify(keys).includes('[secret]'), true);
  wipeIkeKeys(keys);
  assert.ok(joined(keys, 'chacha20poly1305').every(byte => byte === 0));
});

test.run();
