// What an established session answers and refuses, and how it ends: RFC 7296 sections 1.4, 2.1 to 2.4.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ExchangeType, NotifyType } from '../../src/ike/constants.js';
import { DELETE_IKE_SA } from '../../src/ike/informational.js';
import { notification } from '../../src/ike/payloads/notify.js';
import type { Payload } from '../../src/ike/payloads/payload.js';
import { offerEsp, offerIke } from '../../src/ike/proposal.js';
import { CREATE, deleteChild, nonce, notifies, rekeyChild, TS, types } from './exchanges.js';
import { INBOUND, OUTBOUND, PROPOSAL, RawPeer } from './raw-peer.js';
import { hex, toHex } from './support.js';

test('an empty request is answered by an empty response', () => {
  assert.equal(new RawPeer().inform(), []);
});

test('a peer that has authenticated itself may send what a stranger may not', () => {
  assert.equal(new RawPeer().inform({ type: 'V', data: new Uint8Array(50_000) }), []);
});

test('payloads that are not known do not matter unless critical', () => {
  const peer = new RawPeer();
  const unknown = { type: 'unknown', payloadType: 200, data: hex('0102') } as const;
  const status = [
    notification(NotifyType.MOBIKE_SUPPORTED),
    notification(16403, hex('00000e10')),
    notification(50000),
  ];
  assert.equal(peer.inform({ ...unknown, critical: false }, ...status), []);
  const [refusal] = peer.inform({ ...unknown, critical: true });
  assert.is(refusal?.type === 'N' && refusal.notify, NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD);
  assert.equal(refusal?.type === 'N' && refusal.data, Uint8Array.of(200));
  assert.not(peer.established.isClosed);
});

test('a malformed authentic request is told INVALID_SYNTAX, and the session ends', () => {
  const [rekey] = rekeyChild(OUTBOUND) as [Payload];
  const cases: [number, Payload[]][] = [
    [CREATE, [nonce(1)]],
    [CREATE, [rekey, offerEsp([{ suite: 'aes256gcm16' }], 0x999), ...TS]],
    [CREATE, [rekey, offerEsp([{ suite: 'aes256gcm16' }], 0x999), nonce(1)]],
    [CREATE, [offerIke([PROPOSAL], 5n)]],
    [99, []],
  ];
  for (const [exchange, payloads] of cases) {
    const peer = new RawPeer();
    assert.equal(notifies(peer.request(exchange, payloads)), [NotifyType.INVALID_SYNTAX]);
    const closed = peer.outputs.at(-1);
    assert.is(closed?.type === 'closed' && closed.code, 'IKE_PROTOCOL');
  }
});

test('message IDs are taken in order, once; the last request again gets the same bytes', () => {
  const peer = new RawPeer();
  const datagrams = [0, 1, 2].map(
    id => peer.sa.seal(ExchangeType.INFORMATIONAL, false, id, [])[0] as Uint8Array,
  );
  const [first, second, third] = datagrams as [Uint8Array, Uint8Array, Uint8Array];
  assert.equal(types(peer.receive(second)), ['ignored']);
  assert.equal(types(peer.receive(third)), ['ignored']);
  const response = peer.receive(first)[0];
  const again = peer.receive(first)[0];
  assert.ok(response?.type === 'send' && again?.type === 'send');
  assert.equal(again, response);
  assert.equal(types(peer.receive(second)), ['send']);
  assert.equal(types(peer.receive(first)), ['ignored']);
  const damaged = second.slice();
  damaged[40] = (damaged[40] as number) ^ 1;
  assert.equal(types(peer.receive(damaged)), ['ignored']);
});

test('liveness: the round trip of a request sent once; none beside another request', () => {
  const peer = new RawPeer();
  assert.equal(types(peer.call(one => one.probe())), ['send']);
  assert.equal(
    peer.call(one => one.probe()),
    [],
  );
  peer.now += 30;
  assert.equal(peer.respond(peer.pending(), []), [{ type: 'alive', roundTripMs: 30 }]);
  peer.call(one => one.probe());
  const request = peer.pending();
  peer.now += 500;
  assert.equal(types(peer.call(one => one.tick())), ['send']);
  assert.equal(peer.respond(request, []), [{ type: 'alive' }]);
});

test('a silent peer: the same bytes until the tries are used up, then GATEWAY_TIMEOUT', () => {
  const peer = new RawPeer();
  peer.call(one => one.probe());
  while (!peer.established.isClosed) {
    peer.now = peer.established.nextTimer();
    peer.call(one => one.tick());
  }
  const sent = peer.outputs.flatMap(output => (output.type === 'send' ? [toHex(output.datagram)] : []));
  assert.is(sent.length, 6);
  assert.is(new Set(sent).size, 1);
  assert.is(peer.now, 1000 + 15_500);
  const closed = peer.outputs.at(-1);
  assert.is(closed?.type === 'closed' && closed.code, 'GATEWAY_TIMEOUT');
});

test('a response to nothing, or under another message ID, is ignored', () => {
  const peer = new RawPeer();
  assert.equal(types(peer.receive(...peer.sa.seal(ExchangeType.INFORMATIONAL, true, 0, []))), ['ignored']);
  peer.call(one => one.probe());
  assert.equal(types(peer.receive(...peer.sa.seal(ExchangeType.INFORMATIONAL, true, 1, []))), ['ignored']);
  assert.equal(types(peer.receive(...peer.sa.seal(ExchangeType.INFORMATIONAL, true, 0, []))), ['alive']);
});

test('the peer deletes the child: ours is deleted in the response, and down', () => {
  const peer = new RawPeer();
  assert.equal(peer.inform(deleteChild(0x9999, OUTBOUND)), [deleteChild(INBOUND)]);
  assert.ok(peer.outputs.some(output => output.type === 'child-down' && output.inboundSpi === INBOUND));
  assert.equal(peer.inform(deleteChild(OUTBOUND)), []);
});

test('the peer deletes the IKE SA, or refuses our AUTH', () => {
  const deleted = new RawPeer();
  assert.equal(deleted.inform(DELETE_IKE_SA), []);
  const closed = deleted.outputs.at(-1);
  assert.equal(closed, { type: 'closed', byPeer: true, message: 'the gateway closed the connection' });
  const refused = new RawPeer();
  refused.inform(notification(NotifyType.AUTHENTICATION_FAILED));
  const end = refused.outputs.at(-1);
  assert.is(end?.type === 'closed' && end.code, 'AUTHENTICATION_FAILED');
});

test('our close says DELETE once', () => {
  const peer = new RawPeer();
  assert.equal(types(peer.call(one => one.close())), ['send', 'closed']);
  assert.equal(peer.pending().payloads, [DELETE_IKE_SA]);
  assert.equal(
    peer.call(one => one.probe()),
    [],
  );
});

test('datagrams of no IKE SA of ours', () => {
  const peer = new RawPeer();
  const [datagram] = peer.sa.seal(ExchangeType.INFORMATIONAL, false, 0, []) as [Uint8Array];
  datagram[0] = (datagram[0] as number) ^ 1;
  assert.equal(types(peer.receive(datagram)), ['ignored']);
});

test.run();
