import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { IdType } from '../../../src/ike/constants.js';
import { idBody, identityPayload, identityText, isIdentity } from '../../../src/ike/payloads/id.js';
import { hex, toHex } from '../support.js';

const KINDS: [string, number, string][] = [
  ['tokyo.example.net', IdType.FQDN, '746f6b796f2e6578616d706c652e6e6574'],
  ['client1', IdType.FQDN, '636c69656e7431'],
  ['me@example.net', IdType.RFC822_ADDR, '6d65406578616d706c652e6e6574'],
  ['192.0.2.1', IdType.IPV4_ADDR, 'c0000201'],
  ['keyid:tokyo', IdType.KEY_ID, '746f6b796f'],
  ['2001:db8::1', IdType.IPV6_ADDR, '20010db8000000000000000000000001'],
];

for (const [text, idType, data] of KINDS) {
  test(`${text} has ID type ${idType}`, () => {
    const payload = identityPayload('IDr', text);
    assert.equal(payload, { type: 'IDr', idType, data: hex(data) });
    assert.is(identityText(payload), text);
    assert.ok(isIdentity(payload, text));
    assert.not(isIdentity(payload, `${text}0`));
    assert.is(toHex(idBody(payload)), `${idType.toString(16).padStart(2, '0')}000000${data}`);
  });
}

test('names are compared without regard to ASCII case, other identities byte by byte', () => {
  assert.ok(isIdentity(identityPayload('IDr', 'Tokyo.Example.NET'), 'tokyo.example.net'));
  assert.not(isIdentity(identityPayload('IDr', 'tokyo.example.net'), 'kyoto.example.net'));
  const keyId = { type: 'IDr' as const, idType: IdType.KEY_ID, data: hex('746f6b796f') };
  assert.not(isIdentity(keyId, 'tokyo'));
});

test('an identity of another type is not the same', () => {
  const address = { type: 'IDr' as const, idType: IdType.FQDN, data: hex('c0000201') };
  assert.not(isIdentity(address, '192.0.2.1'));
});

test('text of unprintable identities is hexadecimal', () => {
  assert.is(identityText({ type: 'IDr', idType: IdType.KEY_ID, data: hex('00ff') }), 'type 11 00ff');
  assert.is(identityText({ type: 'IDr', idType: IdType.FQDN, data: hex('1b5b32') }), 'type 2 1b5b32');
  assert.is(identityText({ type: 'IDr', idType: IdType.IPV4_ADDR, data: hex('0a') }), 'type 1 0a');
});

test.run();
