import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ExchangeType, NotifyType } from '../../src/ike/constants.js';
import { emitMessage, type Message, parseHeader, parseMessage } from '../../src/ike/message.js';
import { notification } from '../../src/ike/payloads/notify.js';
import { MAX_PAYLOADS } from '../../src/ike/payloads/payload.js';
import { hex, syntaxError, toHex } from './support.js';

// An IKE_SA_INIT request, laid out by hand from RFC 7296 sections 1.2 and 3.
const NONCE = '0123456789abcdef'.repeat(2);
const PUBLIC = '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a';
const HASH = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';
const REQUEST = hex(`
  a1a2a3a4a5a6a7a8 0000000000000000 21202208 00000000 000000a8
  22000024  00000020 01010003 03000008 0100001c 03000008 02000005 00000008 0400001f
  28000028  001f0000 ${PUBLIC}
  29000014  ${NONCE}
  2900001c  00004004 ${HASH}
  2b000008  0000402e
  00000008  cafebabe`);

const MESSAGE: Message = {
  initiatorSpi: 0xa1a2a3a4a5a6a7a8n,
  responderSpi: 0n,
  exchange: ExchangeType.IKE_SA_INIT,
  initiator: true,
  response: false,
  messageId: 0,
  payloads: [
    {
      type: 'SA',
      proposals: [
        {
          number: 1,
          protocol: 1,
          spi: hex(''),
          transforms: [
            { type: 1, id: 28 },
            { type: 2, id: 5 },
            { type: 4, id: 31 },
          ],
        },
      ],
    },
    { type: 'KE', group: 31, data: hex(PUBLIC) },
    { type: 'Nonce', data: hex(NONCE) },
    notification(NotifyType.NAT_DETECTION_SOURCE_IP, hex(HASH)),
    notification(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED),
    { type: 'V', data: hex('cafebabe') },
  ],
};

test('an IKE_SA_INIT request is emitted byte for byte', () => {
  assert.is(toHex(emitMessage(MESSAGE)), toHex(REQUEST));
});

test('and parsed', () => {
  assert.equal(parseMessage(REQUEST), MESSAGE);
});

test('header: flags, exchange, message id and SPIs', () => {
  const header = {
    initiatorSpi: 0xffffffffffffffffn,
    responderSpi: 1n,
    exchange: ExchangeType.INFORMATIONAL,
    messageId: 0xffffffff,
  };
  for (const initiator of [false, true]) {
    for (const response of [false, true]) {
      const message: Message = { ...header, initiator, response, payloads: [] };
      assert.equal(parseMessage(emitMessage(message)), message);
    }
  }
});

test('header: unknown flags, a higher minor version and an unknown exchange are accepted (section 2.5)', () => {
  const datagram = REQUEST.slice();
  datagram[17] = 0x2f;
  datagram[18] = 240;
  datagram[19] = 0xff;
  assert.equal(parseMessage(datagram), { ...MESSAGE, exchange: 240, initiator: true, response: true });
});

test('header: another major version is told apart', () => {
  for (const version of [0x00, 0x10, 0x30, 0xf0]) {
    const datagram = REQUEST.slice();
    datagram[17] = version;
    assert.is(syntaxError(() => parseHeader(datagram)).reason, 'version');
  }
});

test('header: the length must be that of the datagram', () => {
  for (let size = 0; size < REQUEST.length; size++)
    syntaxError(() => parseMessage(REQUEST.subarray(0, size)));
  syntaxError(() => parseMessage(new Uint8Array(Buffer.concat([REQUEST, Buffer.of(0)]))));
  for (const length of [0, 27, 28, REQUEST.length - 1, REQUEST.length + 1, 0xffffffff]) {
    const datagram = REQUEST.slice();
    new DataView(datagram.buffer).setUint32(24, length);
    syntaxError(() => parseMessage(datagram));
  }
});

test('a datagram inside of a larger buffer is parsed alone', () => {
  const larger = new Uint8Array(Buffer.concat([Buffer.alloc(13, 0xff), REQUEST, Buffer.alloc(13, 0xff)]));
  assert.equal(parseMessage(larger.subarray(13, 13 + REQUEST.length)), MESSAGE);
});

test('a bounded number of payloads', () => {
  const many = (count: number): Message => ({
    ...MESSAGE,
    payloads: new Array(count).fill({ type: 'V', data: hex('') }),
  });
  assert.equal(parseMessage(emitMessage(many(MAX_PAYLOADS))), many(MAX_PAYLOADS));
  assert.is(syntaxError(() => parseMessage(emitMessage(many(MAX_PAYLOADS + 1)))).reason, 'limit');
});

test('an Encrypted payload ends the chain, whatever its next payload field says', () => {
  const sealed = { type: 'SK' as const, firstInner: 41, body: hex('aabb') };
  const message = { ...MESSAGE, payloads: [sealed] };
  assert.equal(parseMessage(emitMessage(message)), message);
  // Followed by another payload, which would be outside of it.
  syntaxError(() =>
    parseMessage(emitMessage({ ...message, payloads: [sealed, { type: 'V', data: hex('') }] })),
  );
});

test('what is refused before it is verified is not called authenticated', () => {
  assert.not(syntaxError(() => parseMessage(REQUEST.subarray(0, 40))).authenticated);
});

test.run();
