// Payloads whose layout is a few fields and then data.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AuthMethod, IdType, NotifyType } from '../../../src/ike/constants.js';
import {
  espNotification,
  type NotifyPayload,
  notification,
  notifiedEspSpi,
} from '../../../src/ike/payloads/notify.js';
import { findNotify, findPayload } from '../../../src/ike/payloads/payload.js';
import { hex, syntaxError } from '../support.js';
import { parseOne, payloadSuite, withHeader } from './suite.js';

const VALUE = 'aabbccdd eeff';
const atLeast = (least: number) => (size: number) => size >= least;

payloadSuite({
  name: 'KE',
  type: 34,
  payload: { type: 'KE', group: 31, data: hex(VALUE) },
  bytes: `00 00 000e 001f 0000 ${VALUE}`,
  legal: atLeast(4),
});

payloadSuite({
  name: 'IDi',
  type: 35,
  payload: { type: 'IDi', idType: IdType.FQDN, data: hex('6578616d706c65') },
  bytes: '00 00 000f 02 000000 6578616d706c65',
  legal: atLeast(4),
});

payloadSuite({
  name: 'IDr with reserved bytes',
  type: 36,
  payload: { type: 'IDr', idType: IdType.KEY_ID, reserved: 0x010203, data: hex('09') },
  bytes: '00 00 0009 0b 010203 09',
  legal: atLeast(4),
});

payloadSuite({
  name: 'CERT',
  type: 37,
  payload: { type: 'CERT', encoding: 4, data: hex(VALUE) },
  bytes: `00 00 000b 04 ${VALUE}`,
  legal: atLeast(1),
});

payloadSuite({
  name: 'CERTREQ',
  type: 38,
  payload: { type: 'CERTREQ', encoding: 4, data: hex(VALUE) },
  bytes: `00 00 000b 04 ${VALUE}`,
  legal: atLeast(1),
});

payloadSuite({
  name: 'AUTH',
  type: 39,
  payload: { type: 'AUTH', method: AuthMethod.SHARED_KEY_MIC, data: hex(VALUE) },
  bytes: `00 00 000e 02 000000 ${VALUE}`,
  legal: atLeast(4),
});

payloadSuite({
  name: 'Nonce',
  type: 40,
  payload: { type: 'Nonce', data: new Uint8Array(32).fill(0x5a) },
  bytes: `00 00 0024 ${'5a'.repeat(32)}`,
  legal: size => size >= 16 && size <= 256,
});

test('Nonce: 16 to 256 bytes', () => {
  for (const size of [0, 15, 257, 1000]) syntaxError(() => parseOne(40, withHeader(new Uint8Array(size))));
  for (const size of [16, 256]) assert.is(parseOne(40, withHeader(new Uint8Array(size))).type, 'Nonce');
});

payloadSuite({
  name: 'N without SPI',
  type: 41,
  payload: notification(NotifyType.SET_WINDOW_SIZE, hex('0000000a')),
  bytes: '00 00 000c 00 00 4001 0000000a',
  legal: atLeast(4),
});

payloadSuite({
  name: 'N with SPI',
  type: 41,
  payload: espNotification(NotifyType.REKEY_SA, 0xc0ffee01),
  bytes: '00 00 000c 03 04 4009 c0ffee01',
  legal: atLeast(8),
});

test('N: the ESP SPI that it is about', () => {
  assert.is(notifiedEspSpi(espNotification(NotifyType.REKEY_SA, 0xfffffffe)), 0xfffffffe);
  assert.is(notifiedEspSpi(notification(NotifyType.REKEY_SA)), undefined);
  const short: NotifyPayload = { ...espNotification(NotifyType.REKEY_SA, 256), spi: hex('0100') };
  assert.is(notifiedEspSpi(short), undefined);
});

payloadSuite({
  name: 'D of an IKE SA',
  type: 42,
  payload: { type: 'D', protocol: 1, spis: [] },
  bytes: '00 00 0008 01 00 0000',
});

payloadSuite({
  name: 'D of ESP SAs',
  type: 42,
  payload: { type: 'D', protocol: 3, spis: [0x100, 0xffffffff] },
  bytes: '00 00 0010 03 04 0002 00000100 ffffffff',
});

test('D: SPIs of the wrong size, or in the wrong number, are refused', () => {
  for (const body of [
    '01 04 0001 00000100',
    '01 00 0001',
    '03 00 0000',
    '03 08 0001 0000000000000100',
    '03 04 0000 00000100',
    '03 04 ffff 00000100',
  ]) {
    syntaxError(() => parseOne(42, withHeader(hex(body))));
  }
});

payloadSuite({
  name: 'V',
  type: 43,
  payload: { type: 'V', data: hex(VALUE) },
  bytes: `00 00 000a ${VALUE}`,
  legal: atLeast(0),
});

payloadSuite({
  name: 'EAP',
  type: 48,
  payload: { type: 'EAP', data: hex(VALUE) },
  bytes: `00 00 000a ${VALUE}`,
  legal: atLeast(0),
});

payloadSuite({
  name: 'SK',
  type: 46,
  payload: { type: 'SK', firstInner: 41, body: hex(VALUE) },
  bytes: `29 00 000a ${VALUE}`,
  legal: atLeast(0),
});

payloadSuite({
  name: 'SKF',
  type: 53,
  payload: { type: 'SKF', firstInner: 41, fragment: 1, total: 3, body: hex(VALUE) },
  bytes: `29 00 000e 0001 0003 ${VALUE}`,
  legal: atLeast(4),
});

test('SKF: number zero, above the total, or with a payload type after the first is refused', () => {
  for (const bytes of ['00000008 00000003', '00000008 00040003', '00000008 00000000', '29000008 00020003']) {
    syntaxError(() => parseOne(53, hex(bytes)));
  }
});

payloadSuite({
  name: 'a critical payload of an unknown type',
  type: 200,
  payload: { type: 'unknown', payloadType: 200, critical: true, data: hex(VALUE) },
  bytes: `00 80 000a ${VALUE}`,
  legal: atLeast(0),
});

test('the critical bit of a known payload is ignored', () => {
  assert.equal(parseOne(43, hex('00 80 0005 01')), { type: 'V', data: hex('01') });
});

test('payloads are found by type and by notification', () => {
  const payloads = [
    notification(NotifyType.COOKIE, hex('01')),
    notification(NotifyType.REKEY_SA),
    parseOne(43, hex('00000005 01')),
  ];
  assert.is(findPayload(payloads, 'N'), payloads[0]);
  assert.is(findPayload(payloads, 'V'), payloads[2]);
  assert.is(findPayload(payloads, 'SA'), undefined);
  assert.is(findNotify(payloads, NotifyType.REKEY_SA), payloads[1]);
  assert.is(findNotify(payloads, NotifyType.INVALID_SYNTAX), undefined);
});

test.run();
