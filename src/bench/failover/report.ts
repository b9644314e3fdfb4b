import { type GatewayKind, PAPER_RECOVERY_MS } from '../../demo/stage.js';
import type { FailoverMode } from '../../failover/actions.js';
import { throughput } from '../../report/plot.js';
import type { Benchmark, Cell, Chart, Goal, Machine, Plot, Section } from '../model.js';
import { FAULTS, type FaultName, planOf } from './faults.js';
import { describeLayers } from './layers-report.js';
import type { CostResult, Download, FailoverJson, FailoverResult } from './result.js';

/** Round trip of the gateway that is preferred and fails. */
const RTT_MS = 13.2;
/** Faults that end a path for good. */
const DEATHS: readonly FaultName[] = [
  'kill',
  'freeze',
  'link-down',
  'blackhole',
  'blackhole-out',
  'blackhole-in',
  'leased-line',
];

interface Mark {
  figure: 'detectMs' | 'pauseMs' | 'lost';
  least: number;
  aim: number;
}

const MARKS: Record<FailoverMode, readonly Mark[]> = {
  duplicate: [
    { figure: 'pauseMs', least: 20, aim: 15 },
    { figure: 'lost', least: 0, aim: 0 },
  ],
  replay: [
    { figure: 'detectMs', least: 100 + RTT_MS, aim: 100 },
    { figure: 'pauseMs', least: 150 + RTT_MS, aim: 120 },
    { figure: 'lost', least: 0, aim: 0 },
  ],
  standby: [
    { figure: 'detectMs', least: 100 + RTT_MS, aim: 100 },
    { figure: 'pauseMs', least: 500, aim: 350 },
  ],
  cold: [
    { figure: 'detectMs', least: 100 + RTT_MS, aim: 100 },
    { figure: 'pauseMs', least: 800, aim: 500 },
  ],
};

/** Of drain and switch, in every mode. */
const PLANNED_MARKS: readonly Mark[] = [
  { figure: 'pauseMs', least: 10, aim: 10 },
  { figure: 'lost', least: 0, aim: 0 },
];

const FIGURES = { detectMs: 'detected after', pauseMs: 'TCP paused', lost: 'packets lost' } as const;

/** What is drawn of a download, milliseconds since the fault, and the parts it is smoothed over. */
const PLOT = { from: -500, to: 4500, step: 100 };

export function describeFailover(
  { results, costs, figures, skipped }: FailoverJson,
  downloads: readonly Download[],
  machine: Machine,
  { runs, relayMode }: { runs: number; relayMode: string },
): Benchmark {
  const kinds = [...new Set(results.map(({ gateways }) => gateways))];
  return {
    title: 'vpnr bench failover',
    method: [
      `A client, three gateways at round trips of 13.2, 12.6 and 32 ms, a relay (${relayMode}) and a server in network namespaces. ` +
        'While a TCP connection carries 6 MB/s each way and a stream of datagrams 1,000 a second each way, something happens to ' +
        `the gateway in use. ${runs} runs of each; the median counts. Losses, doubles and datagrams out of order are counts a run.`,
    ],
    machine,
    sections: [
      ...kinds.flatMap(kind =>
        sectionsOf(
          results.filter(({ gateways }) => gateways === kind),
          kind,
          downloads,
        ),
      ),
      ...describeLayers(figures),
      ...(costs.length === 0 ? [] : [costSection(costs)]),
    ],
    goals: kinds.flatMap(kind =>
      goalsOf(
        results.filter(({ gateways }) => gateways === kind),
        kind,
      ),
    ),
    notes: [
      `In the paper a failure costs ${PAPER_RECOVERY_MS / 1000} s: 3 s to detect it, 0.3 s for IKE, 0.8 s until TCP sends again.`,
      'Detection is measured from the fault, not from the last answer.',
      'Of planned moves (drain, switch) half a second counts, beside the longest pause in the half second before.',
      ...results.flatMap(({ mode, fault, problems }) =>
        problems.map(problem => `${mode}, ${fault}: ${problem}`),
      ),
    ],
    skipped,
  };
}

function sectionsOf(
  results: readonly FailoverResult[],
  kind: GatewayKind,
  downloads: readonly Download[],
): Section[] {
  const faults = [...new Set(results.map(({ fault }) => fault))];
  return faults.map(fault => {
    const of = results.filter(result => result.fault === fault);
    const outage = planOf(fault).outage ? '; nothing could have carried it meanwhile' : '';
    return {
      title: `${kind} gateways, ${fault}: ${FAULTS[fault].text}${outage}`,
      plots: plotOf(downloads.filter(each => each.fault === fault && each.gateways === kind)),
      charts: [pauseChart(of)],
      table: {
        columns: [
          { title: 'mode' },
          { title: 'survived' },
          { title: 'detected, ms', kind: 'figure', digits: 0 },
          { title: 'switched, ms', kind: 'figure', digits: 0 },
          { title: 'TCP pause, ms', kind: 'figure', digits: 0 },
          { title: 'at most', kind: 'figure', digits: 0 },
          { title: 'before it', kind: 'figure', digits: 0 },
          { title: 'lost', kind: 'figure', digits: 0 },
          { title: 'doubled', kind: 'figure', digits: 0 },
          { title: 'out of order', kind: 'figure', digits: 0 },
          { title: 'false alarms', kind: 'figure', digits: 0 },
        ],
        rows: of.map((result): Cell[] => [
          result.mode,
          `${result.survived} of ${result.runs}`,
          result.detectMs?.median ?? null,
          result.switchMs?.median ?? null,
          result.pauseMs?.median ?? null,
          result.pauseMs?.max ?? null,
          result.usualPauseMs?.median ?? null,
          result.lost?.median ?? null,
          result.duplicated?.median ?? null,
          result.reordered?.median ?? null,
          result.falseAlarms,
        ]),
      },
    };
  });
}

/** The paper's first figure, with ours: a line for each mode, or nothing when nothing was measured. */
function plotOf(downloads: readonly Download[]): Plot[] {
  const known = downloads.filter(({ samples }) => samples.length > 0);
  if (known.length === 0) return [];
  const { from, to, step } = PLOT;
  return [
    {
      title: 'Throughput around the failure',
      unit: 'Mbit/s',
      from,
      to,
      lines: known.map(({ mode, samples }) => ({
        label: mode,
        values: throughput(samples, from, to, (to - from) / step).map(value => value ?? null),
      })),
      span: { label: 'the paper', from: 0, to: PAPER_RECOVERY_MS },
    },
  ];
}

function pauseChart(results: readonly FailoverResult[]): Chart {
  const bars = results.map(({ mode, pauseMs }) => ({
    label: mode,
    value: pauseMs?.median ?? null,
    ...(pauseMs === null ? {} : { min: pauseMs.min, max: pauseMs.max }),
    kind: 'ours' as const,
  }));
  const paper = { label: 'the paper', value: PAPER_RECOVERY_MS, kind: 'peer' as const };
  return { title: 'Longest pause of TCP', unit: 'ms', better: 'less', bars: [...bars, paper] };
}

function goalsOf(results: readonly FailoverResult[], kind: GatewayKind): Goal[] {
  const modes = [...new Set(results.map(({ mode }) => mode))];
  return modes.flatMap(mode => {
    const of = results.filter(result => result.mode === mode);
    const deaths = of.filter(({ fault }) => DEATHS.includes(fault));
    const planned = of.filter(({ fault }) => planOf(fault).planned);
    const ended = of.reduce((sum, { runs, survived }) => sum + runs - survived, 0);
    return [
      {
        name: `${kind}, ${mode}: connections ended`,
        value: ended,
        unit: '',
        better: 'less',
        least: 0,
        aim: 0,
      },
      ...MARKS[mode].map(mark => goalOf(`${kind}, ${mode}`, deaths, mark)),
      ...PLANNED_MARKS.map(mark => goalOf(`${kind}, ${mode}, drain and switch`, planned, mark)),
    ];
  });
}

/** Of the faults' medians the worst. */
function goalOf(name: string, results: readonly FailoverResult[], { figure, least, aim }: Mark): Goal {
  const values = results.flatMap(result => result[figure]?.median ?? []);
  return {
    name: `${name}: ${FIGURES[figure]}`,
    value: values.length === 0 ? null : Math.max(...values),
    unit: figure === 'lost' ? '' : ' ms',
    better: 'less',
    least: Math.round(least),
    aim,
  };
}

function costSection(costs: readonly CostResult[]): Section {
  return {
    title: 'What the modes cost while nothing fails (client, three gateways)',
    charts: [],
    table: {
      columns: [
        { title: 'mode' },
        { title: 'CPU idle', kind: 'figure', suffix: ' %' },
        { title: 'probes/s idle', kind: 'figure' },
        { title: 'CPU at 2 x 48 Mbit/s', kind: 'figure', suffix: ' %' },
        { title: 'probes/s', kind: 'figure' },
        { title: 'kbit/s each way', kind: 'figure' },
        { title: 'peak memory', kind: 'figure', suffix: ' MB' },
        { title: 'of it the ring', kind: 'figure', suffix: ' MB' },
      ],
      rows: costs.map(cost => [
        cost.mode,
        cost.idleCpuPercent,
        cost.idleProbesPerSecond,
        cost.busyCpuPercent,
        cost.busyProbesPerSecond,
        cost.busyProbeKbits,
        cost.peakMemoryMB,
        cost.ringMB,
      ]),
    },
  };
}
