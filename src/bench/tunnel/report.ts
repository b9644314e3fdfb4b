/** The tunnel benchmark's results, for people. */
import type { Benchmark, Cell, Chart, Goal, Machine, Section, Table } from '../model.js';
import { SYSTEMS, type System } from '../peers/index.js';
import { ratio } from '../statistics.js';
import { type TunnelJson, type TunnelResult, UNITS } from './result.js';
import { TESTS, type TestName } from './tests.js';

const TITLES: Record<TestName, string> = {
  'tcp-up': 'One TCP stream, client to gateway',
  'tcp-down': 'One TCP stream, gateway to client',
  'tcp-8': 'Eight TCP streams, client to gateway',
  'udp-1400': 'UDP, packets of 1,400 bytes, best rate received',
  'udp-64': 'UDP, packets of 64 bytes, best rate received',
  ping: 'Ping without load',
  'ping-loaded': 'Ping beside one TCP stream, client to gateway',
};

const LABELS: Record<System, string> = {
  vpnr: 'vpnr',
  'vpnr-relay': 'vpnr, relay (clear)',
  'vpnr-relay-sealed': 'vpnr, relay (sealed)',
  openvpn: 'OpenVPN',
  'wireguard-go': 'wireguard-go',
  strongswan: 'strongSwan (libipsec)',
  veth: 'no tunnel',
};

const TCP = ['tcp-up', 'tcp-down', 'tcp-8'] as const;
const UDP = ['udp-1400', 'udp-64'] as const;
const PING = ['ping', 'ping-loaded'] as const;

/** From this version on wireguard-go has GSO and GRO, and is another opponent. */
const OFFLOADING_WIREGUARD = '0.0.20230223';
/** At least, and the aim: how many times the peer's throughput. */
const TIMES = {
  openvpn: [3.5, 4.5],
  strongswan: [6, 8],
  'wireguard-go': [1.3, 1.6],
  'wireguard-go before its offloads': [4.5, 6],
} as const;

export interface TunnelEffort {
  rounds: number;
  /** Of each stream. */
  seconds: number;
  /** TCP's congestion control, as the kernel calls it. */
  congestionControl: string;
}

export function describeTunnel(json: TunnelJson, machine: Machine, effort: TunnelEffort): Benchmark {
  const results = new Results(json.results);
  const { rounds, seconds, congestionControl } = effort;
  return {
    title: 'vpnr bench tunnel',
    method: [
      'Every system joined two network namespaces of its own over a pair of virtual interfaces with an MTU of 1,500 bytes; both ends, ' +
        'and iperf3 at both ends, shared the processors. The systems took turns; the median of ' +
        `${rounds === 1 ? '1 round' : `${rounds} rounds`} counts. Streams ran for ${seconds} s, TCP with ${congestionControl}; Mbit/s are of payload ` +
        'that arrived. Pings were 2 ms apart.',
    ],
    machine,
    sections: [
      section(results, 'Throughput of TCP', TCP),
      section(results, 'Throughput of UDP', UDP),
      section(results, 'Round trips', PING, [pingAdded(results)]),
      costs(results),
    ].filter(({ charts }) => charts.length > 0),
    goals: goals(results),
    notes: [
      'UDP was offered without limit, then paced at ever higher rates as long as more arrived: losses are not counted. Packets are shorter where ' +
        'the tunnel would have had to cut them in pieces.',
      "CPU seconds are of the system's programs at both ends, with the kernel's work for them, for a gigabyte of what iperf3 (or ping) " +
        "received through the tunnel. Memory is the most that the client's end had resident since it started. The relay runs on the gateway's " +
        'host, beside the gateway.',
    ],
    skipped: json.skipped,
  };
}

/** Looks results up. */
class Results {
  readonly all: readonly TunnelResult[];
  readonly systems: readonly System[];

  constructor(all: readonly TunnelResult[]) {
    this.all = all;
    this.systems = SYSTEMS.filter(system => all.some(result => result.system === system));
  }

  get(system: System, test: TestName): TunnelResult | undefined {
    return this.all.find(result => result.system === system && result.test === test);
  }

  median(system: System, test: TestName): number | null {
    return this.get(system, test)?.median ?? null;
  }

  /** What the system's ping takes longer than without a tunnel, milliseconds; null where one was not measured. */
  pingAdded(system: System): number | null {
    const [own, bare] = [this.median(system, 'ping'), this.median('veth', 'ping')];
    return own === null || bare === null || system === 'veth' ? null : own - bare;
  }

  version(system: System): string {
    return this.all.find(result => result.system === system)?.version ?? '';
  }
}

function kindOf(system: System): 'ours' | 'peer' | 'limit' {
  if (system === 'veth') return 'limit';
  return system.startsWith('vpnr') ? 'ours' : 'peer';
}

function section(results: Results, title: string, tests: readonly TestName[], more: Chart[] = []): Section {
  const measured = tests.filter(test => results.all.some(result => result.test === test));
  const charts = [...measured.map(test => chart(results, test)), ...more];
  return { title, charts: charts.filter(({ bars }) => bars.length > 0), table: table(results, measured) };
}

function chart(results: Results, test: TestName): Chart {
  const bars = results.systems.flatMap(system => {
    const result = results.get(system, test);
    if (result === undefined) return [];
    const { median, min, max } = result;
    return [{ label: LABELS[system], value: median, min, max, kind: kindOf(system) }];
  });
  const unit = UNITS[test];
  return { title: TITLES[test], unit, better: unit === 'ms' ? 'less' : 'more', bars };
}

function pingAdded(results: Results): Chart {
  const bars = results.systems.flatMap(system => {
    const value = results.pingAdded(system);
    return value === null ? [] : [{ label: LABELS[system], value, kind: kindOf(system) }];
  });
  return { title: 'Ping added to that of no tunnel', unit: 'ms', better: 'less', bars };
}

function table(results: Results, tests: readonly TestName[]): Table {
  const pings = tests.includes('ping');
  const rows = tests.flatMap(test =>
    results.systems.flatMap((system): Cell[][] => {
      const result = results.get(system, test);
      if (result === undefined) return [];
      const { median, min, max, unit } = result;
      const times = ratio(median, results.median('vpnr', test));
      const added = test === 'ping' ? results.pingAdded(system) : null;
      return [[test, system, median, min, max, unit, times, ...(pings ? [added] : [])]];
    }),
  );
  return {
    columns: [
      { title: 'test' },
      { title: 'system' },
      { title: 'median', kind: 'figure' },
      { title: 'min', kind: 'figure' },
      { title: 'max', kind: 'figure' },
      { title: '' },
      { title: 'of vpnr', kind: 'figure', suffix: ' x' },
      ...(pings ? [{ title: 'added', kind: 'figure' } as const] : []),
    ],
    rows,
  };
}

/** What the programs cost. */
function costs(results: Results): Section {
  const programs = results.systems.filter(system => system !== 'veth');
  const tests = TESTS.filter(test => test !== 'ping' && programs.some(system => results.get(system, test)));
  const memory = (system: System) => {
    const peaks = TESTS.flatMap(test => results.get(system, test)?.peakMemoryMB ?? []);
    return Math.max(...peaks);
  };
  const stream = tests.find(test => test.startsWith('tcp'));
  const charts: Chart[] = [];
  if (stream !== undefined) {
    charts.push({
      title: `CPU seconds for a gigabyte, ${TITLES[stream]}`,
      unit: 's/GB',
      better: 'less',
      bars: programs.flatMap(system => {
        const result = results.get(system, stream);
        if (result === undefined) return [];
        return [{ label: LABELS[system], value: result.cpuSecondsPerGB, kind: kindOf(system) }];
      }),
    });
  }
  if (programs.length > 0) {
    charts.push({
      title: "Peak memory of the client's end",
      unit: 'MB',
      better: 'less',
      bars: programs.map(system => ({ label: LABELS[system], value: memory(system), kind: kindOf(system) })),
    });
  }
  const rows = programs.map((system): Cell[] => [
    system,
    results.version(system),
    memory(system),
    ...tests.map(test => results.get(system, test)?.cpuSecondsPerGB ?? null),
  ]);
  return {
    title: 'Cost',
    charts,
    table: {
      columns: [
        { title: 'system' },
        { title: 'version' },
        { title: 'MB', kind: 'figure' },
        ...tests.map(test => ({ title: `s/GB ${test}`, kind: 'figure' as const })),
      ],
      rows,
    },
  };
}

function goals(results: Results): Goal[] {
  const peers = (['openvpn', 'wireguard-go', 'strongswan'] as const).filter(peer =>
    results.systems.includes(peer),
  );
  const directions = (['tcp-up', 'tcp-down'] as const).filter(test => results.median('vpnr', test) !== null);
  const throughput = directions.flatMap(test =>
    peers.map((peer): Goal => {
      const [least, aim] = timesOf(peer, results.version(peer));
      const value = ratio(results.median('vpnr', test), results.median(peer, test));
      const name = `${test} against ${peer} ${results.version(peer)}`;
      return { name, value, unit: ' x', better: 'more', least, aim };
    }),
  );
  return [...throughput, ...pingGoals(results, peers), ...relayGoals(results), ...memoryGoals(results)];
}

function timesOf(
  peer: 'openvpn' | 'wireguard-go' | 'strongswan',
  version: string,
): readonly [number, number] {
  const old = peer === 'wireguard-go' && version < OFFLOADING_WIREGUARD;
  return TIMES[old ? 'wireguard-go before its offloads' : peer];
}

/** At least less than every peer. */
function pingGoals(results: Results, peers: readonly System[]): Goal[] {
  const value = results.pingAdded('vpnr');
  const others = peers.flatMap(peer => results.pingAdded(peer) ?? []);
  if (value === null || others.length === 0) return [];
  const least = Number(Math.min(...others).toFixed(3));
  return [
    { name: 'ping added, the least of the peers', value, unit: ' ms', better: 'less', least, aim: 0.1 },
  ];
}

/** The relay in clear mode against none. */
function relayGoals(results: Results): Goal[] {
  const throughput = (['tcp-up', 'tcp-down'] as const).map((test): Goal => {
    const value = ratio(results.median('vpnr-relay', test), results.median('vpnr', test));
    return {
      name: `${test} with the relay against without`,
      value,
      unit: ' x',
      better: 'more',
      least: 0.95,
      aim: 0.98,
    };
  });
  const [own, without] = [results.median('vpnr-relay', 'ping'), results.median('vpnr', 'ping')];
  const value = own === null || without === null ? null : own - without;
  const ping: Goal = {
    name: 'ping added by the relay',
    value,
    unit: ' ms',
    better: 'less',
    least: 0.05,
    aim: 0.02,
  };
  return [...throughput, ping].filter(goal => goal.value !== null);
}

function memoryGoals(results: Results): Goal[] {
  const peaks = results.all
    .filter(({ system }) => kindOf(system) === 'ours')
    .map(result => result.peakMemoryMB);
  if (peaks.length === 0) return [];
  const value = Math.max(...peaks);
  return [{ name: "peak memory of vpnr's client", value, unit: ' MB', better: 'less', least: 110, aim: 80 }];
}
