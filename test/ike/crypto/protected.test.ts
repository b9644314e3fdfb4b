import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ExchangeType, NotifyType } from '../../../src/ike/constants.js';
import { OpeningKey, SealingKey } from '../../../src/ike/crypto/aead.js';
import { openMessage, sealMessage } from '../../../src/ike/crypto/protected.js';
import type { Message } from '../../../src/ike/message.js';
import { notification } from '../../../src/ike/payloads/notify.js';
import { Secret } from '../../../src/secret.js';
import { hex } from '../support.js';

// RFC 7634 appendix B: an INFORMATIONAL request of the original responder, with SET_WINDOW_SIZE 10.
const KEY = '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3';
const FIRST_IV = 0x1011121314151617n;
const GOLDEN = hex(`
  c0c1c2c3c4c5c6c7 d0d1d2d3d4d5d6d7 2e202500 00000009 00000045
  29000029 1011121314151617
  6103 94701f8d017f7c12924889 6b71bfe25236efd7cdc67066906315b2`);
const MESSAGE: Message = {
  initiatorSpi: 0xc0c1c2c3c4c5c6c7n,
  responderSpi: 0xd0d1d2d3d4d5d6d7n,
  exchange: ExchangeType.INFORMATIONAL,
  initiator: false,
  response: false,
  messageId: 9,
  payloads: [notification(NotifyType.SET_WINDOW_SIZE, hex('0000000a'))],
};

test('RFC 7634 appendix B is sealed byte for byte', () => {
  const key = new SealingKey('chacha20poly1305', new Secret(hex(KEY)), FIRST_IV);
  assert.equal(sealMessage(MESSAGE, key), GOLDEN);
});

test('RFC 7634 appendix B is opened', () => {
  const key = new OpeningKey('chacha20poly1305', new Secret(hex(KEY)));
  assert.equal(openMessage(GOLDEN, key), MESSAGE);
});

test.run();
