/** From rounds to results, ratios and goals. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Machine, verdictOf } from '../../../src/bench/model.js';
import type { System } from '../../../src/bench/peers/index.js';
import { describeTunnel } from '../../../src/bench/tunnel/report.js';
import { type Round, Tally, type TunnelResult } from '../../../src/bench/tunnel/result.js';
import type { TestName } from '../../../src/bench/tunnel/tests.js';

const MACHINE: Machine = {
  cpu: 'Some CPU',
  cores: 2,
  memoryGB: 24,
  system: 'Linux 6.1',
  node: '20.19.0',
  load: 0,
};
const EFFORT = { rounds: 3, seconds: 2, congestionControl: 'cubic' };

const round = (value: number, cpuSeconds = 1, bytes = 1e9, peakMemoryMB = 50): Round => {
  return { value, cpuSeconds, bytes, peakMemoryMB };
};

test('the median of the rounds counts, the peak of the memory', () => {
  const tally = new Tally();
  const subject = { system: 'openvpn', version: '2.6.14', test: 'tcp-up' } as const;
  tally.add(subject, round(900, 2, 5e8, 10));
  tally.add(subject, round(100, 9, 1e9, 12.34));
  tally.add(subject, round(800.00049, 1, 1e9, 11));
  assert.equal(tally.results(), [
    {
      system: 'openvpn',
      version: '2.6.14',
      test: 'tcp-up',
      median: 800,
      min: 100,
      max: 900,
      unit: 'Mbit/s',
      cpuSecondsPerGB: 4,
      peakMemoryMB: 12.3,
    },
  ]);
  assert.equal(tally.failures(), []);
});

test('results stand by system, then by test, in their own order', () => {
  const tally = new Tally();
  for (const [system, name] of [
    ['veth', 'ping'],
    ['vpnr', 'ping'],
    ['veth', 'tcp-up'],
    ['vpnr', 'tcp-8'],
  ] as const)
    tally.add({ system, version: '1', test: name }, round(1));
  assert.equal(
    tally.results().map(({ system, test: name, unit }) => `${system} ${name} ${unit}`),
    ['vpnr tcp-8 Mbit/s', 'vpnr ping ms', 'veth tcp-up Mbit/s', 'veth ping ms'],
  );
});

test('rounds that fail are told, and the others count', () => {
  const tally = new Tally();
  const some = { system: 'strongswan', version: '5', test: 'udp-64' } as const;
  const all = { system: 'openvpn', version: '2', test: 'ping' } as const;
  tally.add(some, round(5));
  tally.fail(some, 'iperf3: control socket has closed unexpectedly');
  tally.fail(all, 'ping: 10 packets transmitted, 0 received');
  assert.equal(
    tally.results().map(({ system }) => system),
    ['strongswan'],
  );
  assert.equal(tally.failures(), [
    { what: 'openvpn, ping', why: 'ping: 10 packets transmitted, 0 received' },
    { what: 'strongswan, udp-64, 1 of 2 rounds', why: 'iperf3: control socket has closed unexpectedly' },
  ]);
});

function result(system: System, name: TestName, median: number, version = '1'): TunnelResult {
  const unit = name.startsWith('ping') ? 'ms' : 'Mbit/s';
  const figures = { median, min: median, max: median, unit, cpuSecondsPerGB: 3, peakMemoryMB: 70 } as const;
  return { system, version, test: name, ...figures };
}

const describe = (...results: TunnelResult[]) => describeTunnel({ results, skipped: [] }, MACHINE, EFFORT);

function goals(...results: TunnelResult[]) {
  return Object.fromEntries(describe(...results).goals.map(goal => [goal.name, goal]));
}

test('each peer has its goals, and wireguard-go with offloads others than without', () => {
  const found = goals(
    result('vpnr', 'tcp-up', 2700),
    result('openvpn', 'tcp-up', 900, '2.6.14'),
    result('wireguard-go', 'tcp-up', 2700, '0.0.20250522'),
    result('strongswan', 'tcp-up', 300, '5.9.8'),
  );
  const ratios = Object.values(found).map(({ name, value, least }) => [name, value, least]);
  assert.equal(ratios, [
    ['tcp-up against openvpn 2.6.14', 3, 3.5],
    ['tcp-up against wireguard-go 0.0.20250522', 1, 1.3],
    ['tcp-up against strongswan 5.9.8', 9, 6],
    ["peak memory of vpnr's client", 70, 110],
  ]);
  const old = goals(result('vpnr', 'tcp-down', 690), result('wireguard-go', 'tcp-down', 690, '0.0.20220316'));
  assert.is(old['tcp-down against wireguard-go 0.0.20220316']?.least, 4.5);
});

test('what ping takes longer than without a tunnel is compared with the best of the peers', () => {
  const benchmark = describe(
    result('vpnr', 'ping', 0.11),
    result('openvpn', 'ping', 0.17),
    result('strongswan', 'ping', 0.32),
    result('veth', 'ping', 0.01),
  );
  const goal = benchmark.goals.find(({ name }) => name.startsWith('ping added'));
  assert.is(goal?.least, 0.16);
  assert.is(goal?.value?.toFixed(3), '0.100');
  assert.is(goal && verdictOf(goal), 'aim reached');
  const chart = benchmark.sections[0]?.charts.find(({ title }) => title.startsWith('Ping added'));
  assert.equal(
    chart?.bars.map(({ label, value, kind }) => [label, value?.toFixed(2), kind]),
    [
      ['vpnr', '0.10', 'ours'],
      ['OpenVPN', '0.16', 'peer'],
      ['strongSwan (libipsec)', '0.31', 'peer'],
    ],
  );
});

test('the relay is compared with none', () => {
  const found = goals(
    result('vpnr', 'tcp-up', 2000),
    result('vpnr-relay', 'tcp-up', 1900),
    result('vpnr', 'ping', 0.1),
    result('vpnr-relay', 'ping', 0.2),
  );
  const verdict = (name: string) => found[name] && verdictOf(found[name]);
  assert.is(verdict('tcp-up with the relay against without'), 'reached');
  assert.is(verdict('ping added by the relay'), 'missed');
});

test('a table has the ratios to vpnr; sections are only of what was measured', () => {
  const benchmark = describe(result('vpnr', 'tcp-up', 2000), result('veth', 'tcp-up', 13_000));
  assert.equal(
    benchmark.sections.map(({ title }) => title),
    ['Throughput of TCP', 'Cost'],
  );
  assert.equal(benchmark.sections[0]?.table?.rows, [
    ['tcp-up', 'vpnr', 2000, 2000, 2000, 'Mbit/s', 1],
    ['tcp-up', 'veth', 13_000, 13_000, 13_000, 'Mbit/s', 6.5],
  ]);
  assert.equal(describe(result('veth', 'ping', 0.01)).goals, []);
});

test.run();
