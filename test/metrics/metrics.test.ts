import { connect } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ConnectionStatus, GatewayStatus } from '../../src/client/status.js';
import { type LoggedEvent, loggedEvent } from '../../src/control/event-log.js';
import type { VpnrError } from '../../src/errors.js';
import type { GatewayServiceStatus } from '../../src/gateway/run.js';
import { connectionFamilies, gatewayFamilies, relayFamilies } from '../../src/metrics/families.js';
import { MetricsServer } from '../../src/metrics/server.js';
import { Tally } from '../../src/metrics/tally.js';
import { renderFamilies } from '../../src/metrics/text.js';
import { counterIndices, isDrop } from '../../src/packet/counters.js';
import { trafficOf } from '../../src/packet/traffic.js';
import type { RelayServiceStatus } from '../../src/relay/run.js';

const offloads = { tcp: true, udp: true, send: true, receive: true };
const traffic = trafficOf(Object.fromEntries([...counterIndices].map(([name, index]) => [name, index + 1])));

const gateway = (name: string, more: Partial<GatewayStatus>): GatewayStatus => ({
  name,
  address: '198.51.100.10:4500',
  state: 'down',
  identity: 'client1',
  virtualAddress: null,
  roundTripMs: null,
  loss: null,
  failures: 2,
  lastError: null,
  ...more,
});

const client: ConnectionStatus = {
  role: 'client',
  name: 'work',
  identity: 'client1',
  pid: 7,
  state: 'connected',
  gateway: 'tokyo',
  device: 'vpnr0',
  address: '10.30.200.2',
  mtu: 1348,
  uptimeMs: 1500,
  switches: 1,
  failover: 'replay',
  gateways: [gateway('tokyo', { state: 'active', roundTripMs: 13, loss: 0 }), gateway('osaka', {})],
  relay: { address: '10.20.0.100:7511', mode: 'clear', connected: true, lease: '10.30.200.2' },
  killSwitch: false,
  capabilities: [],
  offloads,
  traffic,
};

const event = (name: string, fields: object): LoggedEvent =>
  loggedEvent('client', { event: name, ...fields });

/** Lines as Prometheus reads them: name, labels, value. */
const SAMPLE = /^[a-z_]+(\{([a-z_]+="(\\.|[^"\\])*",?)+\})? -?[\d.e+-]+$/;

function wellFormed(text: string): string[] {
  assert.ok(text.endsWith('\n'));
  const lines = text.trimEnd().split('\n');
  for (const line of lines) assert.ok(/^# (HELP|TYPE) vpnr_[a-z_]+ /.test(line) || SAMPLE.test(line), line);
  const samples = lines
    .filter(line => !line.startsWith('#'))
    .map(line => line.slice(0, line.lastIndexOf(' ')));
  assert.is(new Set(samples).size, samples.length, 'no sample twice');
  return lines;
}

test('a connection: gateways that are down, failovers by cause, times, drops by reason', () => {
  const tally = new Tally();
  tally.take(event('gateway-failed', { gateway: 'osaka', reason: 'gateway', ms: 80 }));
  tally.take(event('switched', { gateway: 'tokyo', from: 'osaka', cause: 'failure', ms: 30 }));
  const lines = wellFormed(renderFamilies(connectionFamilies(client, tally)));
  for (const line of [
    'vpnr_info{role="client",name="work",mode="replay"} 1',
    'vpnr_gateway_up{gateway="tokyo"} 1',
    'vpnr_gateway_up{gateway="osaka"} 0',
    'vpnr_gateway_round_trip_seconds{gateway="tokyo"} 0.013',
    'vpnr_gateway_failures_total{gateway="osaka"} 2',
    'vpnr_switches_total{cause="failure"} 1',
    'vpnr_failures_total{reason="gateway"} 1',
    'vpnr_detection_seconds_bucket{le="0.05"} 0',
    'vpnr_detection_seconds_bucket{le="0.1"} 1',
    'vpnr_detection_seconds_bucket{le="+Inf"} 1',
    'vpnr_detection_seconds_sum 0.08',
    'vpnr_switch_seconds_count 1',
    'vpnr_sent_bytes_total 2',
    `vpnr_dropped_packets_total{reason="rx-replay"} ${(counterIndices.get('rx-replay') ?? 0) + 1}`,
  ])
    assert.ok(lines.includes(line), line);
  assert.not.ok(lines.some(line => line.startsWith('vpnr_gateway_round_trip_seconds{gateway="osaka"}')));
});

test('every counter of the core is told', () => {
  const text = renderFamilies(connectionFamilies(client, new Tally()));
  const moved = [...counterIndices].filter(([, index]) => !isDrop(index));
  for (const [name, index] of moved) assert.match(text, new RegExp(`_total ${index + 1}\n`), name);
});

test('a relay and a gateway: configured clients that are not connected, and refusals', () => {
  const relay: RelayServiceStatus = {
    role: 'relay',
    name: 'relay',
    pid: 1,
    device: 'vpnr-relay0',
    listen: '10.20.0.100:7511',
    pool: '10.30.200.0/24',
    fingerprint: 'sha256:00',
    uptimeMs: 1,
    connections: 1,
    draining: false,
    sessions: [{ client: 'a', lease: '10.30.200.2', connected: true, mode: 'clear', idleMs: 0 }],
    capabilities: [],
    offloads,
    traffic,
  };
  const tally = new Tally();
  tally.take(event('client-refused', { client: 'x', from: 'y', code: 'RELAY_TOKEN_REFUSED' }));
  tally.take(event('client-refused', { client: 'x', from: 'y', code: 'AUTHENTICATION_FAILED' }));
  const lines = wellFormed(renderFamilies(relayFamilies(relay, ['a', 'b"\\'], tally)));
  for (const line of [
    'vpnr_sessions 1',
    'vpnr_client_up{client="a"} 1',
    'vpnr_client_up{client="b\\"\\\\"} 0',
    'vpnr_refused_clients_total{code="RELAY_TOKEN_REFUSED"} 1',
  ])
    assert.ok(lines.includes(line), line);

  const server: GatewayServiceStatus = {
    role: 'gateway',
    name: 'tokyo',
    pid: 1,
    device: 'vpnr-gateway0',
    listen: '198.51.100.10:4500',
    identity: 'tokyo.example.net',
    pool: '10.61.0.0/24',
    networks: ['10.20.0.0/16'],
    uptimeMs: 1,
    clients: [],
    draining: false,
    halfOpen: 3,
    cookies: true,
    refused: { authentications: 1, halfOpen: 2, messages: 3 },
    capabilities: [],
    offloads,
    traffic,
  };
  const told = wellFormed(renderFamilies(gatewayFamilies(server, ['client1'], tally)));
  for (const line of [
    'vpnr_clients 0',
    'vpnr_client_up{client="client1"} 0',
    'vpnr_ike_refused_total{kind="half_open"} 2',
  ])
    assert.ok(told.includes(line), line);
});

test('only /metrics is answered, and a port in use is a clear error', async () => {
  const server = await MetricsServer.listen({ host: '127.0.0.1', port: 0 }, () => []);
  try {
    const { port } = server;
    const status = async (path: string, method = 'GET') =>
      (await fetch(`http://127.0.0.1:${port}${path}`, { method })).status;
    assert.is(await status('/metrics'), 200);
    assert.is(await status('/metrics?x=1', 'HEAD'), 200);
    assert.is(await status('/metrics', 'POST'), 405);
    assert.is(await status('/'), 404);
    const flooded = await new Promise<string>(done => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () =>
        socket.write(`GET /metrics HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`),
      );
      socket
        .on('data', chunk => (text += chunk))
        .on('error', () => {})
        .on('close', () => done(text));
    });
    assert.match(flooded, /^HTTP\/1\.1 431 /);
    const taken = await MetricsServer.listen({ host: '127.0.0.1', port }, () => []).catch(
      (error: VpnrError) => error,
    );
    assert.is((taken as VpnrError).code, 'ADDRESS_IN_USE');
  } finally {
    await server.close();
  }
});

test.run();
