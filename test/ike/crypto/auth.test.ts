import { createHmac } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type SignedOctets, sharedKeyAuth, verifySharedKeyAuth } from '../../../src/ike/crypto/auth.js';
import { idBody, identityPayload } from '../../../src/ike/payloads/id.js';
import { Secret } from '../../../src/secret.js';

const signed: SignedOctets = {
  message: new Uint8Array(200).fill(1),
  peerNonce: new Uint8Array(32).fill(2),
  authKey: new Secret(new Uint8Array(32).fill(3)),
  idBody: idBody(identityPayload('IDi', 'client1')),
};

function hmac(key: Uint8Array, ...data: Uint8Array[]): Buffer {
  const mac = createHmac('sha256', key);
  for (const part of data) mac.update(part);
  return mac.digest();
}

test('AUTH is as in RFC 7296 section 2.15', () => {
  const id = Buffer.concat([Buffer.of(2, 0, 0, 0), Buffer.from('client1')]);
  const key = hmac(Buffer.from('hunter2'), Buffer.from('Key Pad for IKEv2'));
  const macedId = hmac(new Uint8Array(32).fill(3), id);
  const expected = hmac(key, signed.message, signed.peerNonce, macedId);
  assert.equal(sharedKeyAuth('prfsha256', Secret.fromText('hunter2'), signed), new Uint8Array(expected));
});

test('any change makes it wrong', () => {
  const psk = Secret.fromText('hunter2');
  const auth = sharedKeyAuth('prfsha256', psk, signed);
  assert.ok(verifySharedKeyAuth('prfsha256', psk, signed, auth));
  assert.not(verifySharedKeyAuth('prfsha256', Secret.fromText('hunter3'), signed, auth));
  assert.not(verifySharedKeyAuth('prfsha384', psk, signed, auth));
  assert.not(verifySharedKeyAuth('prfsha256', psk, { ...signed, peerNonce: new Uint8Array(32) }, auth));
  assert.not(verifySharedKeyAuth('prfsha256', psk, { ...signed, message: new Uint8Array(200) }, auth));
  const other = idBody(identityPayload('IDi', 'client2'));
  assert.not(verifySharedKeyAuth('prfsha256', psk, { ...signed, idBody: other }, auth));
  for (let size = 0; size < auth.length; size++) {
    assert.not(verifySharedKeyAuth('prfsha256', psk, signed, auth.subarray(0, size)));
  }
  for (let bit = 0; bit < auth.length * 8; bit++) {
    const changed = auth.slice();
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    assert.not(verifySharedKeyAuth('prfsha256', psk, signed, changed));
  }
});

test.run();
