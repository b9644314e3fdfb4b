// Rekeying of children and IKE SAs, from both sides and at the same time: RFC 7296 sections 1.3, 2.8 and 2.25.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LINGER_MS } from '../../src/ike/children.js';
import { NotifyType } from '../../src/ike/constants.js';
import { generateKeyExchange } from '../../src/ike/crypto/dh.js';
import { DELETE_IKE_SA } from '../../src/ike/informational.js';
import { keyPayload } from '../../src/ike/key-exchange.js';
import { isRedundant } from '../../src/ike/nonces.js';
import { espNotification, notification } from '../../src/ike/payloads/notify.js';
import { findPayload, type Payload } from '../../src/ike/payloads/payload.js';
import { offerEsp, offerIke } from '../../src/ike/proposal.js';
import { anySelector } from '../../src/ike/selectors.js';
import {
  CREATE,
  childAnswer,
  deleteChild,
  nonce,
  notifies,
  random,
  rekeyChild,
  rekeyIke,
  TS,
  types,
} from './exchanges.js';
import { INBOUND, OUTBOUND, P256, PROPOSAL, RawPeer } from './raw-peer.js';
import { hex } from './support.js';

test('the peer rekeys the child: receives at once, sends after the DELETE of the old one, which lingers', () => {
  const peer = new RawPeer();
  const answer = peer.request(CREATE, rekeyChild(OUTBOUND));
  const [proposal] = findPayload(answer, 'SA')?.proposals ?? [];
  assert.equal(types(peer.outputs), ['child-up', 'send']);
  const [up] = peer.outputs;
  assert.ok(up?.type === 'child-up' && up.receiveOnly === true && up.replaces === INBOUND);
  assert.is(up.child.outboundSpi, 0x3333);
  assert.is(up.child.suite, 'aes256gcm16');
  assert.is(new DataView((proposal?.spi ?? new Uint8Array(4)).buffer).getUint32(0), up.child.inboundSpi);
  peer.outputs.length = 0;
  assert.equal(peer.inform(deleteChild(OUTBOUND)), [deleteChild(INBOUND)]);
  assert.equal(types(peer.outputs), ['child-send', 'send']);
  peer.now += LINGER_MS;
  assert.equal(
    peer.call(one => one.tick()),
    [{ type: 'child-down', inboundSpi: INBOUND, outboundSpi: OUTBOUND }],
  );
});

test('a peer that does not delete what it rekeyed: we do', () => {
  const peer = new RawPeer();
  peer.request(CREATE, rekeyChild(OUTBOUND));
  peer.now += 30_000;
  assert.equal(types(peer.call(one => one.tick())), ['child-send', 'send']);
  assert.equal(peer.pending().payloads, [deleteChild(INBOUND)]);
});

test('requests about children that cannot be carried out', () => {
  const peer = new RawPeer();
  assert.equal(peer.request(CREATE, rekeyChild(0x9999)), [
    espNotification(NotifyType.CHILD_SA_NOT_FOUND, 0x9999),
  ]);
  const fresh = rekeyChild(OUTBOUND).slice(1);
  assert.equal(notifies(peer.request(CREATE, fresh)), [NotifyType.NO_ADDITIONAL_SAS]);
  const [rekey] = rekeyChild(OUTBOUND) as [Payload];
  const unknownSuite = [rekey, offerEsp([{ suite: 'aes128gcm16' }], 0x3333), nonce(1), ...TS];
  assert.equal(notifies(peer.request(CREATE, unknownSuite)), [NotifyType.NO_PROPOSAL_CHOSEN]);
  const reserved = [rekey, offerEsp([{ suite: 'aes256gcm16' }], 255), nonce(1), ...TS];
  assert.equal(notifies(peer.request(CREATE, reserved)), [NotifyType.NO_PROPOSAL_CHOSEN]);
  const ipv6 = TS.map(payload => ({ ...payload, selectors: [anySelector(6)] }) as Payload);
  const otherTs = [rekey, offerEsp([{ suite: 'aes256gcm16' }], 0x3333), nonce(1), ...ipv6];
  assert.equal(notifies(peer.request(CREATE, otherTs)), [NotifyType.TS_UNACCEPTABLE]);
  const noKe = [rekey, offerEsp([{ suite: 'aes256gcm16', group: 'ecp256' }], 0x3333), nonce(1), ...TS];
  const [wrong] = peer.request(CREATE, noKe);
  assert.equal(wrong?.type === 'N' && [wrong.notify, ...wrong.data], [NotifyType.INVALID_KE_PAYLOAD, 0, 19]);
  assert.is(peer.reserved.length, 0);
});

test('a child is made anew when there is none', () => {
  const peer = new RawPeer();
  peer.inform(deleteChild(OUTBOUND));
  peer.outputs.length = 0;
  peer.request(CREATE, rekeyChild(OUTBOUND).slice(1));
  const [up] = peer.outputs;
  assert.ok(up?.type === 'child-up' && up.receiveOnly === undefined && up.replaces === undefined);
});

test('a rekeyed child may have a key exchange of its own, and then keeps to it', () => {
  const peer = new RawPeer();
  const ke = keyPayload(generateKeyExchange('ecp256', random));
  const offer = offerEsp([{ suite: 'aes256gcm16', group: 'ecp256' }], 0x3333);
  const [rekey] = rekeyChild(OUTBOUND) as [Payload];
  const answer = peer.request(CREATE, [rekey, offer, nonce(1), ke, ...TS]);
  assert.is(findPayload(answer, 'KE')?.group, 19);
  peer.inform(deleteChild(OUTBOUND));
  peer.call(one => one.rekeyChild());
  assert.is(findPayload(peer.pending().payloads, 'KE')?.group, 19);
});

test('our rekeying: new child, then DELETE of the old one, in this order', () => {
  const peer = new RawPeer();
  peer.call(one => one.rekeyChild());
  const outputs = peer.respond(peer.pending(), childAnswer(0x4444, 1));
  assert.equal(types(outputs), ['alive', 'child-up', 'send']);
  const [, up] = outputs;
  assert.ok(up?.type === 'child-up' && up.receiveOnly === undefined && up.replaces === INBOUND);
  const request = peer.pending();
  assert.equal(request.payloads, [deleteChild(INBOUND)]);
  assert.equal(types(peer.respond(request, [deleteChild(OUTBOUND)])), ['alive']);
  peer.now += LINGER_MS;
  assert.equal(types(peer.call(one => one.tick())), ['child-down']);
});

test('our rekeying is refused: the SPI goes back, and it is tried again later', () => {
  for (const [notify, atLeast, atMost] of [
    [NotifyType.TEMPORARY_FAILURE, 500, 1000],
    [NotifyType.NO_ADDITIONAL_SAS, 30_000, 60_000],
  ] as const) {
    const peer = new RawPeer();
    peer.call(one => one.rekeyChild());
    peer.respond(peer.pending(), [notification(notify)]);
    assert.is(peer.reserved.length, 0);
    const wait = peer.established.nextTimer() - peer.now;
    assert.ok(wait >= atLeast && wait <= atMost, `${wait}`);
    peer.now += wait;
    assert.equal(types(peer.call(one => one.tick())), ['send']);
  }
});

test('a gateway that insists on a key exchange gets it, once', () => {
  for (const refusal of [
    notification(NotifyType.NO_PROPOSAL_CHOSEN),
    notification(NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(0, 31)),
  ]) {
    const peer = new RawPeer();
    peer.call(one => one.rekeyChild());
    peer.respond(peer.pending(), [refusal]);
    const second = peer.pending();
    assert.is(findPayload(second.payloads, 'KE')?.group, 31);
    assert.equal(types(peer.respond(second, [refusal])), ['alive']);
  }
});

test('the peer knows nothing of the child: it is down', () => {
  const peer = new RawPeer();
  peer.call(one => one.rekeyChild());
  const outputs = peer.respond(peer.pending(), [espNotification(NotifyType.CHILD_SA_NOT_FOUND, INBOUND)]);
  assert.equal(types(outputs), ['alive', 'child-down']);
});

test('an answer to our rekeying that was not offered changes nothing', () => {
  const other = offerEsp([{ suite: 'aes128gcm16' }], 0x4444);
  for (const payloads of [
    [other, nonce(1), ...TS],
    childAnswer(0x4444, 1).slice(0, 1),
    childAnswer(12, 1),
    childAnswer(0x4444, 1).slice(0, 2),
    [],
  ]) {
    const peer = new RawPeer();
    peer.call(one => one.rekeyChild());
    const outputs = peer.respond(peer.pending(), payloads);
    assert.not(types(outputs).includes('child-up'));
    assert.is(peer.reserved.length, 0);
    assert.is(peer.established.children.main?.inboundSpi, INBOUND);
  }
});

test('collision: the rekeying with the lowest nonce is redundant, whoever answers first', () => {
  // Our own nonces are random; the peer's are lower or higher than any.
  for (const weWin of [true, false]) {
    const [theirs, answer] = weWin ? [0x00, 0xff] : [0xff, 0x00];
    const peer = new RawPeer();
    peer.call(one => one.rekeyChild());
    const ours = peer.pending();
    peer.request(CREATE, rekeyChild(OUTBOUND, 0x3333, theirs));
    const theirUp = peer.outputs.find(output => output.type === 'child-up');
    peer.outputs.length = 0;
    const outputs = peer.respond(ours, childAnswer(0x4444, answer));
    const up = outputs.find(output => output.type === 'child-up');
    assert.ok(up?.type === 'child-up' && theirUp?.type === 'child-up');
    const deleted = peer.pending();
    if (weWin) {
      assert.is(up.receiveOnly, undefined);
      assert.equal(deleted.payloads, [deleteChild(INBOUND)]);
      peer.respond(deleted, [deleteChild(OUTBOUND)]);
      assert.equal(peer.inform(deleteChild(0x3333)), [deleteChild(theirUp.child.inboundSpi)]);
      assert.is(peer.established.children.sending?.outboundSpi, 0x4444);
    } else {
      assert.is(up.receiveOnly, true);
      assert.equal(deleted.payloads, [deleteChild(up.child.inboundSpi)]);
      assert.is(peer.established.children.sending?.inboundSpi, INBOUND);
      assert.equal(peer.inform(deleteChild(OUTBOUND)), [deleteChild(INBOUND)]);
      assert.is(peer.established.children.sending?.outboundSpi, 0x3333);
      peer.respond(deleted, [deleteChild(0x4444)]);
    }
    peer.now += LINGER_MS;
    peer.call(one => one.tick());
    assert.is(peer.outputs.filter(({ type }) => type === 'child-down').length, 2);
  }
});

test("collision: ours is put off, so the peer's stands", () => {
  const peer = new RawPeer();
  peer.call(one => one.rekeyChild());
  const ours = peer.pending();
  peer.request(CREATE, rekeyChild(OUTBOUND));
  peer.respond(ours, [notification(NotifyType.TEMPORARY_FAILURE)]);
  peer.inform(deleteChild(OUTBOUND));
  assert.is(peer.established.children.sending?.outboundSpi, 0x3333);
  assert.is(peer.established.children.main?.outboundSpi, 0x3333);
});

test('collision of IKE SAs: a peer that goes on to rekey beside our request makes one IKE SA, not many', () => {
  const peer = new RawPeer();
  peer.call(one => one.rekeyIke());
  const ours = peer.pending();
  assert.equal(notifies(peer.request(CREATE, rekeyIke())), []);
  for (let i = 0; i < 20; i++) {
    assert.equal(notifies(peer.request(CREATE, rekeyIke())), [NotifyType.TEMPORARY_FAILURE]);
  }
  assert.is(peer.established.spis.length, 2);
  peer.respond(ours, [notification(NotifyType.TEMPORARY_FAILURE)]);
  assert.is(peer.outputs.filter(({ type }) => type === 'ike-rekeyed').length, 1);
});

test('the peer deletes the child that we are rekeying: up to the answer it can receive', () => {
  const replaced = new RawPeer();
  replaced.call(one => one.rekeyChild());
  const ours = replaced.pending();
  assert.equal(replaced.inform(deleteChild(OUTBOUND)), [deleteChild(INBOUND)]);
  assert.not(types(replaced.outputs).includes('child-down'));
  assert.equal(types(replaced.respond(ours, childAnswer(0x4444, 1))), ['alive', 'child-up']);
  const gone = new RawPeer();
  gone.call(one => one.rekeyChild());
  const lost = gone.pending();
  gone.inform(deleteChild(OUTBOUND));
  const refusal = espNotification(NotifyType.CHILD_SA_NOT_FOUND, INBOUND);
  assert.equal(types(gone.respond(lost, [refusal])), ['alive', 'child-down']);
});

test('crossing deletions of one child', () => {
  const peer = new RawPeer();
  peer.call(one => one.rekeyChild());
  peer.respond(peer.pending(), childAnswer(0x4444, 1));
  const ours = peer.pending();
  // We are closing it already: a response without a Delete payload.
  assert.equal(peer.inform(deleteChild(OUTBOUND)), []);
  assert.equal(notifies(peer.request(CREATE, rekeyChild(OUTBOUND))), [NotifyType.TEMPORARY_FAILURE]);
  assert.equal(types(peer.respond(ours, [])), ['alive']);
  assert.is(peer.established.children.main?.outboundSpi, 0x4444);
});

test('rekeyings of IKE SA and child exclude each other', () => {
  const child = new RawPeer();
  child.call(one => one.rekeyChild());
  assert.equal(notifies(child.request(CREATE, rekeyIke())), [NotifyType.TEMPORARY_FAILURE]);
  const ike = new RawPeer();
  ike.call(one => one.rekeyIke());
  assert.equal(notifies(ike.request(CREATE, rekeyChild(OUTBOUND))), [NotifyType.TEMPORARY_FAILURE]);
  // Deletion is carried out all the same.
  assert.equal(ike.inform(deleteChild(OUTBOUND)), [deleteChild(INBOUND)]);
});

test('the peer rekeys the IKE SA: the group must be one of ours, the SPI not 0', () => {
  const peer = new RawPeer();
  const [wrong] = peer.request(CREATE, rekeyIke([P256, PROPOSAL], 'modp2048'));
  assert.equal(wrong?.type === 'N' && [wrong.notify, ...wrong.data], [NotifyType.INVALID_KE_PAYLOAD, 0, 31]);
  const foreign = rekeyIke([{ ...PROPOSAL, encryption: 'aes128gcm16' }]);
  assert.equal(notifies(peer.request(CREATE, foreign)), [NotifyType.NO_PROPOSAL_CHOSEN]);
  const nothing = [offerIke([PROPOSAL], 0n), ...rekeyIke().slice(1)];
  assert.equal(notifies(peer.request(CREATE, nothing)), [NotifyType.NO_PROPOSAL_CHOSEN]);
  const before = peer.established.current;
  assert.equal(findPayload(peer.request(CREATE, rekeyIke()), 'SA')?.proposals.length, 1);
  assert.is.not(peer.established.current, before);
  assert.ok(types(peer.outputs).includes('ike-rekeyed'));
  // The old one answers still, but makes nothing new.
  assert.equal(notifies(peer.request(CREATE, rekeyChild(OUTBOUND))), [NotifyType.TEMPORARY_FAILURE]);
  assert.equal(notifies(peer.request(CREATE, rekeyIke())), [NotifyType.TEMPORARY_FAILURE]);
  assert.equal(peer.inform(), []);
  assert.equal(peer.inform(DELETE_IKE_SA), []);
  assert.not(peer.established.isClosed);
});

test('the peer deletes the old IKE SA while ours is on its way: its own rekeying stands', () => {
  const peer = new RawPeer();
  peer.call(one => one.rekeyIke());
  const ours = peer.pending();
  peer.request(CREATE, rekeyIke());
  const before = peer.established.current;
  peer.inform(DELETE_IKE_SA);
  assert.not(peer.established.isClosed);
  assert.is.not(peer.established.current, before);
  assert.equal(types(peer.respond(ours, [notification(NotifyType.TEMPORARY_FAILURE)])), ['ignored']);
});

test('our rekeying of the IKE SA: another group when the peer names one, once', () => {
  const peer = new RawPeer();
  peer.call(one => one.rekeyIke());
  const first = peer.pending();
  assert.is(findPayload(first.payloads, 'KE')?.group, 31);
  peer.respond(first, [notification(NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(0, 19))]);
  const second = peer.pending();
  assert.is(findPayload(second.payloads, 'KE')?.group, 19);
  peer.respond(second, [notification(NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(0, 31))]);
  assert.equal(peer.messages(), []);
  assert.ok(peer.established.nextTimer() > peer.now + 15_000);
});

test('an unusable answer to our rekeying of the IKE SA changes nothing', () => {
  for (const payloads of [
    [],
    [offerIke([PROPOSAL], 0n), nonce(1), keyPayload(generateKeyExchange('x25519', random))],
    [offerIke([PROPOSAL], 9n), nonce(1), keyPayload(generateKeyExchange('ecp256', random))],
    [offerIke([PROPOSAL], 9n), nonce(1), { type: 'KE', group: 31, data: new Uint8Array(32) } as const],
  ]) {
    const peer = new RawPeer();
    const before = peer.established.current;
    peer.call(one => one.rekeyIke());
    peer.respond(peer.pending(), payloads);
    assert.is(peer.established.current, before);
    assert.not(peer.established.isClosed);
  }
});

test('a peer that rekeys without end makes us keep only so much', () => {
  const peer = new RawPeer();
  let spi = OUTBOUND;
  let refused = false;
  for (let round = 0; round < 100 && !refused; round++) {
    const answer = peer.request(CREATE, rekeyChild(spi, 0x10000 + round));
    refused = notifies(answer).includes(NotifyType.TEMPORARY_FAILURE);
    if (refused) break;
    peer.inform(deleteChild(spi));
    spi = 0x10000 + round;
  }
  assert.ok(refused);
  assert.ok(peer.reserved.length <= 33);
});

test('the lowest of four nonces decides', () => {
  const [a, b, c, d] = ['01', '02', '03', '0201'].map(hex) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  assert.ok(isRedundant([a, c], [b, d]));
  assert.not(isRedundant([b, d], [c, a]));
  // A beginning of the other is the lower one.
  assert.ok(isRedundant([b, c], [d, d]));
});

test.run();
