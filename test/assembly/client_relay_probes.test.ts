import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ERR_INDEX,
  ERR_STATE,
  EVENT_DRAIN,
  EVENT_PROBE_REPLY,
  OK,
  OWN_MESSAGE,
  PROBE_BITMAP_USUAL,
  RELAY_DATA,
  RELAY_DRAIN,
  RELAY_PROBE,
  RELAY_PROBE_REPLY,
  SCRATCH,
} from '../../src/packet/abi.js';
import { datagram, setUp } from '../support/client_relay.js';
import { probeBody } from '../support/probes.js';
import { type Gateway, Relay } from '../support/tunnels.js';

test('a probe says what the relay needs; off the active path it carries an older epoch', () => {
  const { client, gateway, other, relay, virtual } = setUp();
  client.receive(
    0,
    gateway.seal(relay.send(virtual, RELAY_DATA, datagram({ destination: relay.lease }), { sequence: 77n })),
  );
  const probe = (on: Gateway, id: number) => {
    assert.is(client.core.exports.clientProbe(on.path, id, 0x9abc_def0, 0x1234_5678, false), OK);
    return relay.parse(on.open(client.message(OWN_MESSAGE)), on.virtual);
  };
  const missing = { from: 1n, received: [77n], highest: 77n, bitmap: PROBE_BITMAP_USUAL };
  const body = (id: number) => probeBody({ id, time: 0x1234_5678_9abc_def0n, ...missing });

  const first = probe(gateway, 200);
  assert.equal([first.type, first.epoch, first.sequence], [RELAY_PROBE, 9, 1n]);
  assert.equal(first.payload, body(200));
  const second = probe(other, 201);
  assert.equal([second.type, second.epoch, second.sequence], [RELAY_PROBE, 8, 2n]);
  assert.equal(second.payload, body(201));

  client.core.activate(1, 0);
  assert.is(probe(other, 1).epoch, 0);
  assert.is(probe(gateway, 2).epoch, 0xffff);
  assert.is(client.core.counters()['probes-sent'], 4);
  assert.is(client.core.counters()['tx-packets'], 0);
});

test('a probe without a tunnel, on a wrong path or with numbers used up is not made', () => {
  const { client, other } = setUp();
  assert.is(client.core.exports.clientProbe(16, 1, 0, 0, false), ERR_INDEX);
  client.core.setPath(1, undefined);
  assert.is(client.core.exports.clientProbe(1, 1, 0, 0, false), ERR_STATE);
  client.core.setPath(1, other.fromClient.spi & 1023);
  assert.is(client.core.exports.clientProbe(1, 1, 0, 0, false), OK);
  client.core.setVirtualAddresses(1);
  assert.is(client.core.exports.clientProbe(1, 1, 0, 0, false), ERR_STATE);
});

test('answers to probes and requests to leave become events with their path', () => {
  const { client, gateway, other, relay } = setUp();
  const body = probeBody({ id: 258, time: 0x1234_5678_9abc_def0n, highest: 5n });
  const { device, events } = client.receive(
    0,
    gateway.seal(relay.send(gateway.virtual, RELAY_PROBE_REPLY, body)),
    other.seal(relay.send(other.virtual, RELAY_PROBE_REPLY, body)),
    gateway.seal(relay.send(gateway.virtual, RELAY_DRAIN, new Uint8Array(0))),
  );
  assert.equal(device, []);
  assert.equal(events, [
    { kind: EVENT_PROBE_REPLY, path: 0, a: 258, b: 0, c: 0x1234_5678_9abc_def0n },
    { kind: EVENT_PROBE_REPLY, path: 1, a: 258, b: 0, c: 0x1234_5678_9abc_def0n },
    { kind: EVENT_DRAIN, path: 0, a: 0, b: 0, c: 0n },
  ]);
  assert.is(client.accounted('rx'), 3);
});

test('after a switch the packets carry the new epoch and address', () => {
  const { client, other, relay } = setUp();
  client.transmit(datagram());
  client.core.activate(1, 10);
  const [sent = new Uint8Array()] = client.transmit(datagram());
  const { epoch, sequence } = relay.parse(other.open(sent), other.virtual);
  assert.equal([epoch, sequence], [10, 2n]);
});

test('a new session starts anew, the keys of the old one are gone', () => {
  const { random, client, gateway, relay, virtual } = setUp();
  client.transmit(datagram());
  client.receive(0, gateway.seal(relay.send(virtual, RELAY_DATA, datagram({ destination: relay.lease }))));
  const next = new Relay(random);
  next.bind(client);
  const [sent = new Uint8Array()] = client.transmit(datagram());
  assert.is(next.parse(gateway.open(sent), virtual).sequence, 1n);
  const answer = next.send(virtual, RELAY_DATA, datagram({ destination: next.lease }));
  assert.is(client.receive(0, gateway.seal(answer)).device.length, 1);
  for (const key of [relay.fromClient, relay.toClient]) assert.is(client.findInCore(key), ERR_INDEX);
  for (const key of [next.fromClient, next.toClient]) {
    const at = client.findInCore(key);
    assert.ok(at >= 0 && at < SCRATCH);
  }
  client.core.exports.clientUnbind();
  for (const key of [next.fromClient, next.toClient]) assert.is(client.findInCore(key), -1);
});

test.run();
