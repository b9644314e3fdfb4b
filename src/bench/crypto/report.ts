import type { Bar, Benchmark, Chart, Goal, Machine, Section, Skipped, Table } from '../model.js';
import { ratio } from '../statistics.js';
import type { ImplementationName, Operation } from './implementation.js';
import type { CryptoSuite } from './packets.js';

export interface CryptoResult {
  suite: CryptoSuite;
  operation: Operation;
  /** Of the packet. */
  bytes: number;
  implementation: ImplementationName | 'openssl';
  /** For one packet. */
  microseconds: number;
}

/** What `vpnr bench crypto --json` prints. */
export interface CryptoJson {
  results: CryptoResult[];
  skipped: Skipped[];
}

/** The size that plots and goals are about. */
const MAIN_BYTES = 1400;
const OPERATIONS = ['seal', 'open'] as const;
const LABELS: Record<CryptoResult['implementation'], string> = {
  wasm: 'vpnr (WASM)',
  node: 'node:crypto',
  noble: '@noble/ciphers',
  openssl: 'OpenSSL, native',
};

export function describeCrypto({ results, skipped }: CryptoJson, machine: Machine): Benchmark {
  const suites = [...new Set(results.map(({ suite }) => suite))];
  return {
    title: 'vpnr bench crypto',
    method: [
      'Every implementation sealed and opened the same 64 packets, with equal results to the byte. Then they took turns on one core; the ' +
        'median round counts. vpnr works in place and finishes a batch together, as in its data plane; the others return new buffers.',
    ],
    machine,
    sections: suites.map(suite =>
      section(
        suite,
        results.filter(result => result.suite === suite),
      ),
    ),
    goals: goals(results, suites),
    notes: notes(suites),
    skipped,
  };
}

function section(suite: CryptoSuite, results: readonly CryptoResult[]): Section {
  const charts = OPERATIONS.flatMap(operation => chart(operation, results));
  return { title: suite, charts, table: table(results) };
}

/** None if the main size was not measured. */
function chart(operation: Operation, results: readonly CryptoResult[]): Chart[] {
  const bars = results
    .filter(result => result.operation === operation && result.bytes === MAIN_BYTES)
    .map(({ implementation, microseconds }): Bar => {
      const kind = implementation === 'wasm' ? 'ours' : implementation === 'openssl' ? 'limit' : 'peer';
      return { label: LABELS[implementation], value: MAIN_BYTES / microseconds, kind };
    });
  const title = `${operation}, ${MAIN_BYTES} bytes`;
  return bars.length === 0 ? [] : [{ title, unit: 'MB/s', better: 'more', bars }];
}

function table(results: readonly CryptoResult[]): Table {
  const time = (operation: Operation, bytes: number, name: ImplementationName) =>
    results.find(
      result => result.operation === operation && result.bytes === bytes && result.implementation === name,
    )?.microseconds ?? null;
  const rows = [...new Set(results.map(({ bytes }) => bytes))].flatMap(bytes =>
    OPERATIONS.map(operation => {
      const [wasm, node, noble] = (['wasm', 'node', 'noble'] as const).map(name =>
        time(operation, bytes, name),
      );
      const speeds = [wasm, node, noble].flatMap(us => [us ?? null, ratio(bytes, us)]);
      return [bytes.toString(), operation, ...speeds, ratio(node, wasm), ratio(noble, wasm)];
    }),
  );
  return {
    columns: [
      { title: 'bytes', kind: 'figure' },
      { title: '' },
      { title: 'WASM us', kind: 'figure' },
      { title: 'MB/s', kind: 'figure', digits: 0 },
      { title: 'node us', kind: 'figure' },
      { title: 'MB/s', kind: 'figure', digits: 0 },
      { title: 'noble us', kind: 'figure' },
      { title: 'MB/s', kind: 'figure', digits: 0 },
      { title: 'x node', kind: 'figure' },
      { title: 'x noble', kind: 'figure' },
    ],
    rows,
  };
}

/** At 1,400 bytes, the worse of seal and open. */
function goals(results: readonly CryptoResult[], suites: readonly CryptoSuite[]): Goal[] {
  const time = (suite: CryptoSuite, operation: Operation, name: CryptoResult['implementation']) =>
    results.find(
      result =>
        result.suite === suite &&
        result.operation === operation &&
        result.bytes === MAIN_BYTES &&
        result.implementation === name,
    )?.microseconds;
  const against = (suite: CryptoSuite, name: CryptoResult['implementation']) => {
    const ratios = OPERATIONS.map(operation =>
      ratio(time(suite, operation, name), time(suite, operation, 'wasm')),
    );
    const known = ratios.filter(value => value !== null);
    return known.length === 0 ? null : Math.min(...known);
  };
  const goal = (
    suite: CryptoSuite,
    name: CryptoResult['implementation'],
    least: number,
    aim: number,
  ): Goal[] =>
    suites.includes(suite)
      ? [
          {
            name: `${suite} against ${LABELS[name]}`,
            value: against(suite, name),
            unit: ' x',
            better: 'more',
            least,
            aim,
          },
        ]
      : [];
  const opens = suites
    .filter(suite => suite !== 'chacha20poly1305')
    .map((suite): Goal => {
      const value = ratio(time(suite, 'open', 'wasm'), time(suite, 'seal', 'wasm'));
      return { name: `${suite}: open against seal`, value, unit: ' x', better: 'less', least: 1.1, aim: 1 };
    });
  return [
    ...goal('chacha20poly1305', 'node', 4.5, 5),
    ...goal('chacha20poly1305', 'noble', 14, 16),
    ...goal('chacha20poly1305', 'openssl', 0.55, 0.62),
    ...goal('aes256gcm16', 'node', 1.3, 1.5),
    ...goal('aes256gcm16', 'noble', 11, 13),
    ...opens,
  ];
}

function notes(suites: readonly CryptoSuite[]): string[] {
  const native = `Goals are about packets of ${MAIN_BYTES} bytes, the slower of seal and open. OpenSSL is measured by openssl speed, by CPU time, without associated data.`;
  const cbc =
    "AES-CBC with HMAC-SHA2-256-128 is measured as a whole ESP packet; noble's ciphers come without a hash, so they use node's HMAC.";
  return suites.some(suite => suite.endsWith('-sha256')) ? [native, cbc] : [native];
}
