import { stripVTControlCharacters } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { History, type Look } from '../../src/cli/watch/history.js';
import { drawLine, drawScreen, type Picture, painter } from '../../src/cli/watch/screen.js';
import type { ConnectionStatus, GatewayStatus } from '../../src/client/status.js';
import { loggedEvent } from '../../src/control/event-log.js';

const gateway = (name: string, more: Partial<GatewayStatus> = {}): GatewayStatus => ({
  name,
  address: '198.51.100.10:4500',
  state: 'standby',
  identity: 'client1',
  virtualAddress: '10.61.0.2',
  roundTripMs: 13.2,
  loss: 0,
  failures: 0,
  lastError: null,
  ...more,
});

function status(bytes: number, more: Partial<ConnectionStatus> = {}): ConnectionStatus {
  return {
    role: 'client',
    name: 'work',
    identity: 'client1',
    pid: 7,
    state: 'connected',
    gateway: 'tokyo',
    device: 'vpnr0',
    address: '10.30.200.2',
    mtu: 1348,
    uptimeMs: 61_000,
    switches: 1,
    failover: 'replay',
    gateways: [
      gateway('tokyo', { state: 'active' }),
      gateway('osaka', { roundTripMs: 26.4, loss: 0.25 }),
      gateway('a-gateway-with-a-long-name', {
        state: 'failed',
        lastError: `it does not answer ${'.'.repeat(80)}`,
      }),
    ],
    relay: { address: '10.20.0.100:7511', mode: 'clear', connected: true, lease: '10.30.200.2' },
    killSwitch: true,
    capabilities: ['CAP_NET_ADMIN'],
    offloads: { tcp: true, udp: true, send: true, receive: true },
    traffic: {
      counters: { 'tx-packets': 10, 'tx-bytes': bytes, 'rx-packets': 20, 'rx-bytes': 2 * bytes },
      drops: { 'rx-replay': 3 },
    },
    ...more,
  };
}

const switched = { event: 'switched', from: 'osaka', gateway: 'tokyo', cause: 'failure', ms: 41 };

function looks(): Look[] {
  const history = new History();
  const events = Array.from({ length: 30 }, () => loggedEvent('client', switched, new Date(0)));
  history.look(status(0), events, 0);
  history.look(status(0), events, 500);
  return [history.look(status(125_000), events, 1000)];
}

const LEFT = 'home: not running, kill switch on until "vpnr connect" or "vpnr disconnect home"';
const picture = (): Picture => ({ looks: looks(), warnings: [LEFT], title: 'vpnr status' });

test('rates follow from two looks, and begin anew with another process', () => {
  const history = new History();
  assert.equal(history.look(status(0), [], 0).rates, { sent: undefined, received: undefined });
  assert.equal(history.look(status(125_000), [], 500).rates, { sent: 2e6, received: 4e6 });
  assert.equal(history.look(status(0, { pid: 8 }), [], 1000).rates.sent, undefined);
});

test('a round trip of a gateway that is not up is none', () => {
  const [look] = looks();
  assert.equal(look?.roundTrips.get('osaka'), [26.4, 26.4, 26.4]);
  assert.equal(look?.roundTrips.get('a-gateway-with-a-long-name'), [undefined, undefined, undefined]);
});

test('a screen has its size, and says the same without colours', () => {
  for (const [columns, rows] of [
    [80, 24],
    [200, 50],
    [40, 10],
    [10, 3],
  ] as const) {
    const plain = drawScreen(picture(), { columns, rows }, painter(false));
    assert.ok(plain.length <= rows, `${plain.length} lines`);
    for (const line of plain) assert.ok(line.length <= columns, line);
    const coloured = drawScreen(picture(), { columns, rows }, painter(true));
    assert.equal(
      coloured.map(line => stripVTControlCharacters(line)),
      plain,
    );
  }
});

test('80 columns show paths, throughput and events', () => {
  const text = drawScreen(picture(), { columns: 80, rows: 24 }, painter(false)).join('\n');
  for (const part of [
    /^home: not running, kill switch on until .*"vpnr disconnect home"\n\nwork:/,
    /^work: connected through tokyo, kill switch on +up 1 min 1 s$/m,
    /^● tokyo +active +13\.20 ms +0 % +█/m,
    /^○ osaka +standby +26\.40 ms +25 % +█/m,
    /^✖ a-gateway-with-a-long-name +failed +- +- +it does/m,
    /sent +2\.0 Mbit\/s +125\.0 kB +10 packets/,
    /received +4\.0 Mbit\/s/,
    /dropped +3 rx-replay/,
    /switched from osaka to tokyo in 41 ms/,
    /\nvpnr status$/,
  ])
    assert.match(text, part);
});

test('without a screen one line says it', () => {
  const [look] = looks();
  assert.is(
    look && drawLine(look),
    'work: connected through tokyo, 13.20 ms, 0 % lost, sent 2.0 Mbit/s, received 4.0 Mbit/s, 1 switch, kill switch on',
  );
});

test('nothing that runs is a screen too', () => {
  assert.equal(
    drawScreen({ looks: [], warnings: [], title: 'title' }, { columns: 80, rows: 24 }, painter(false)),
    ['nothing is running', '', 'title'],
  );
  const [warning, , ...rest] = drawScreen(
    { looks: [], warnings: [LEFT], title: 'title' },
    { columns: 80, rows: 24 },
    painter(false),
  );
  assert.is(warning, LEFT);
  assert.equal(rest, ['nothing is running', '', 'title']);
});

test.run();
