import type { Bar, Benchmark, Chart, Goal, Machine, Section, Skipped } from '../model.js';
import { ratio } from '../statistics.js';
import type { AddedTest } from './added.js';
import type { RelayDirection } from './core.js';

export interface CostResult {
  direction: RelayDirection;
  /** Of the inner packet. */
  bytes: number;
  sessions: number;
  /** For one packet. */
  nanoseconds: number;
}

/** What `vpnr bench relay --json` prints. */
export interface RelayJson {
  /** The packet core alone. */
  core: CostResult[];
  /** With the system calls. */
  whole: CostResult[];
  added: {
    test: AddedTest;
    relay: boolean;
    median: number;
    min: number;
    max: number;
    unit: 'Mbit/s' | 'ms';
  }[];
  paper: typeof PAPER;
  skipped: Skipped[];
}

/**
 * Matsuhashi, Shinagawa, Ishii, Hirooka, Kato: Transparent VPN failure recovery with virtualization. Future Generation
 * Computer Systems, 2012: what its relay costs in three cities, and its whole layer with the relay.
 */
export const PAPER = {
  relay: { throughputPercent: [3, 16], latencyMs: [0.23, 0.25] },
  layerAndRelay: { throughputPercent: [8, 30], latencyMs: [0.6, 0.6] },
} as const;

const TITLES: Record<AddedTest, string> = {
  'tcp-up': 'TCP, client to server',
  'tcp-down': 'TCP, server to client',
  ping: 'round trip',
};
const DIRECTIONS: Record<RelayDirection, string> = {
  'to-server': 'client to server',
  'to-client': 'server to client',
};

export function describeRelay(json: RelayJson, machine: Machine): Benchmark {
  const { core, whole, added, skipped } = json;
  return {
    title: 'vpnr bench relay',
    method: [
      "The relay's part of the packet core was given packets of sessions chosen at random; the median batch counts.",
      ...(whole.length === 0
        ? []
        : ['Then the same between a real socket and a real device, with the system calls, offloads off.']),
      ...(added.length === 0
        ? []
        : [
            'Then a client was connected to a server through a gateway of vpnr, with and without the relay in turn, all in network ' +
              'namespaces of this machine, whose cores all of them share; the median round counts.',
          ]),
    ],
    machine,
    sections: [
      costSection("A packet in the relay's core, nanoseconds", core),
      ...(whole.length === 0 ? [] : [costSection('A packet in the whole relay, nanoseconds', whole)]),
      ...(added.length === 0 ? [] : [addedSection(added)]),
    ],
    goals: [
      costGoal('packet in the relay, most : 1', whole),
      costGoal('packet in its core alone, most : 1', core),
      ...addedGoals(added),
    ],
    notes: [
      'In the paper the relay costs 3 to 16 % of the throughput and 0.23 to 0.25 ms; relay and layer together 8 to 30 % and 0.6 ms.',
    ],
    skipped,
  };
}

function costSection(title: string, results: readonly CostResult[]): Section {
  const groups = groupsOf(results);
  const charts = groups.map(
    ({ direction, bytes, results }): Chart => ({
      title: `${DIRECTIONS[direction]}, ${bytes} bytes`,
      unit: 'ns a packet',
      better: 'less',
      bars: results.map(({ sessions, nanoseconds }): Bar => {
        return { label: sessionsText(sessions), value: nanoseconds, kind: sessions === 1 ? 'ours' : 'peer' };
      }),
    }),
  );
  const figures = groups[0]?.results.map(({ sessions }) => sessionsText(sessions)) ?? [];
  return {
    title,
    charts,
    table: {
      columns: [
        { title: 'direction' },
        { title: 'bytes', kind: 'figure' },
        ...figures.map(title => ({ title, kind: 'figure' as const })),
        { title: 'most : 1', kind: 'figure', digits: 2, suffix: ' x' },
      ],
      rows: groups.map(({ direction, bytes, results }) => [
        DIRECTIONS[direction],
        bytes.toString(),
        ...results.map(({ nanoseconds }) => nanoseconds),
        growth(results),
      ]),
    },
  };
}

function sessionsText(count: number): string {
  return count === 1 ? '1 session' : `${count.toLocaleString('en-US')} sessions`;
}

interface Group {
  direction: RelayDirection;
  bytes: number;
  results: CostResult[];
}

function groupsOf(all: readonly CostResult[]): Group[] {
  const groups: Group[] = [];
  for (const result of all) {
    const { direction, bytes } = result;
    const group = groups.find(known => known.direction === direction && known.bytes === bytes);
    if (group === undefined) groups.push({ direction, bytes, results: [result] });
    else group.results.push(result);
  }
  return groups;
}

/** With the most sessions against one. */
function growth(results: readonly CostResult[]): number | null {
  return ratio(results.at(-1)?.nanoseconds, results[0]?.nanoseconds);
}

function costGoal(name: string, results: readonly CostResult[]): Goal {
  const ratios = groupsOf(results).map(group => growth(group.results) ?? 0);
  const value = ratios.length === 0 ? null : Math.max(...ratios);
  return { name, value, unit: ' x', better: 'less', least: 1.15, aim: 1.05 };
}

function addedSection(added: RelayJson['added']): Section {
  const tests = [...new Set(added.map(({ test }) => test))];
  return {
    title: 'What the relay adds to a connection',
    charts: tests.map((test): Chart => {
      const bars = added
        .filter(result => result.test === test)
        .map(({ relay, median, min, max }): Bar => {
          return {
            label: relay ? 'with relay' : 'without',
            value: median,
            min,
            max,
            kind: relay ? 'peer' : 'ours',
          };
        });
      const unit = test === 'ping' ? 'ms' : 'Mbit/s';
      return { title: TITLES[test], unit, better: test === 'ping' ? 'less' : 'more', bars };
    }),
    table: {
      columns: [
        { title: '' },
        { title: 'without', kind: 'figure' },
        { title: 'relay', kind: 'figure' },
        { title: 'unit' },
        { title: 'difference', kind: 'figure' },
        { title: 'in the paper' },
      ],
      rows: tests.map(test => {
        const [without, relayed] = [false, true].map(relay => medianOf(added, test, relay));
        const unit = test === 'ping' ? 'ms' : 'Mbit/s';
        return [TITLES[test], without ?? null, relayed ?? null, unit, difference(added, test), inPaper(test)];
      }),
    },
  };
}

function medianOf(added: RelayJson['added'], test: AddedTest, relay: boolean): number | null {
  return added.find(result => result.test === test && result.relay === relay)?.median ?? null;
}

/** Percent of throughput, or milliseconds; null where one of them is missing. */
function change(added: RelayJson['added'], test: AddedTest): number | null {
  const [without, relayed] = [medianOf(added, test, false), medianOf(added, test, true)];
  if (without === null || relayed === null) return null;
  return test === 'ping' ? relayed - without : (relayed / without - 1) * 100;
}

function difference(added: RelayJson['added'], test: AddedTest): string | null {
  const value = change(added, test);
  if (value === null) return null;
  const sign = value < 0 ? '' : '+';
  return test === 'ping' ? `${sign}${value.toFixed(3)} ms` : `${sign}${value.toFixed(1)} %`;
}

function inPaper(test: AddedTest): string {
  const { throughputPercent, latencyMs } = PAPER.relay;
  return test === 'ping' ? `${latencyMs.join(' to ')} ms more` : `${throughputPercent.join(' to ')} % less`;
}

function addedGoals(added: RelayJson['added']): Goal[] {
  return [...new Set(added.map(({ test }) => test))].map(test => {
    const value = change(added, test);
    const name = `relay adds: ${TITLES[test]}`;
    return test === 'ping'
      ? { name, value, unit: ' ms', better: 'less', least: 0.05, aim: 0.02 }
      : { name, value, unit: ' %', better: 'more', least: -5, aim: -2 };
  });
}
