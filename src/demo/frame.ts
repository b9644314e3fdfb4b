/** One picture of the demonstration as lines of text: plot, who carries the traffic, gateways, events. */

import { plotRows, scaleFor } from '../report/plot.js';
import type { Colour, Paint } from './paint.js';
import type { Moment, Recording } from './recording.js';
import { GATEWAY_NAMES, type GatewayName, ROUND_TRIPS } from './stage.js';

export interface FrameSize {
  columns: number;
  rows: number;
}

/** Milliseconds that the plot shows at least. */
const SPAN_MS = 10_000;
const LABEL_WIDTH = 7;
const PLOT_MAX_WIDTH = 100;
const PLOT_HEIGHT = 8;
/** Lines beside plot and events. */
const OTHER_LINES = 10;
const EVENTS_LEAST = 3;

export const seconds = (ms: number) => (ms / 1000).toFixed(3).padStart(7);

export function drawFrame(recording: Recording, title: string, size: FrameSize, paint: Paint): string[] {
  const width = Math.max(20, Math.min(PLOT_MAX_WIDTH, size.columns - LABEL_WIDTH - 4));
  const height = Math.max(3, Math.min(PLOT_HEIGHT, size.rows - OTHER_LINES - EVENTS_LEAST));
  const events = Math.max(EVENTS_LEAST, size.rows - OTHER_LINES - height - 1);
  const cut = (text: string) => (text.length < size.columns ? text : `${text.slice(0, size.columns - 2)}…`);
  return [
    paint(cut(title), 'strong'),
    '',
    ...drawPlot(recording, width, height, paint),
    '',
    ...GATEWAY_NAMES.map(name => drawGateway(recording, name, paint, cut)),
    '',
    ...recording.moments.slice(-events).map(moment => drawMoment(moment, paint, cut)),
  ];
}

/** Moments as lines, also where there is no picture. */
export function drawMoment({ ms, text, kind }: Moment, paint: Paint, cut = (line: string) => line): string {
  const colours: Partial<Record<Moment['kind'], Colour>> = {
    fault: 'failure',
    recovery: 'strong',
    preparation: 'faint',
  };
  return paint(cut(` ${seconds(ms)} s  ${text}`), colours[kind]);
}

function drawPlot(recording: Recording, width: number, height: number, paint: Paint): string[] {
  const from = recording.from ?? 0;
  const span = Math.max(SPAN_MS, recording.to - from);
  const rates = recording.rates(from, from + span, width);
  const max = scaleFor(Math.max(10, ...rates.map(rate => rate ?? 0)));
  const column = span / width;
  const carriers = rates.map((_, index) => recording.carrierAt(from + (index + 0.5) * column));
  const rows = plotRows(rates, height, max).map((row, index) => {
    const value = index === 0 ? max : index === height - 1 ? 0 : undefined;
    return `${(value === undefined ? '' : `${value}`).padStart(LABEL_WIDTH - 1)} ┤${paintColumns(row, carriers, paint)}`;
  });
  const known = rates.map((rate, index) => (rate === undefined ? undefined : (carriers[index] ?? 'none')));
  return [
    `${'Mbit/s'.padStart(LABEL_WIDTH - 1)}`,
    ...rows,
    `${' '.repeat(LABEL_WIDTH)}${drawTicks(from, column, width)}`,
    `${' '.repeat(LABEL_WIDTH + 1)}${drawCarriers(known, paint)}`,
  ];
}

/** The axis, with whole seconds where there is room. */
function drawTicks(from: number, column: number, width: number): string {
  const cells = Array.from({ length: width }, () => '─');
  let free = 0;
  for (let second = Math.ceil(from / 1000); ; second++) {
    const at = Math.round((second * 1000 - from) / column);
    const label = `┴${second} s`;
    if (at + label.length > width) return `└${cells.join('')}`;
    if (at < free) continue;
    cells.splice(at, label.length, ...label);
    free = at + label.length + 1;
  }
}

/** The name of who carried the traffic, as long as it did. */
function drawCarriers(carriers: readonly (GatewayName | 'none' | undefined)[], paint: Paint): string {
  let text = '';
  for (let start = 0; start < carriers.length; ) {
    const name = carriers[start];
    let end = start;
    while (end < carriers.length && carriers[end] === name) end++;
    const length = end - start;
    if (name === undefined) text += ' '.repeat(length);
    else if (name === 'none') text += paint('×'.repeat(length), 'failure');
    else text += paint(` ${name} `.padEnd(length, '━').slice(0, length), name);
    start = end;
  }
  return text;
}

function paintColumns(row: string, carriers: readonly (GatewayName | undefined)[], paint: Paint): string {
  let text = '';
  for (let start = 0; start < row.length; ) {
    let end = start;
    while (end < row.length && carriers[end] === carriers[start]) end++;
    text += paint(row.slice(start, end), carriers[start]);
    start = end;
  }
  return text;
}

function drawGateway(
  recording: Recording,
  name: GatewayName,
  paint: Paint,
  cut: (line: string) => string,
): string {
  const now = recording.carriers.at(-1)?.gateway;
  const failed = recording.moments.some(({ kind, text }) => kind === 'fault' && text.startsWith(`${name} `));
  const state = failed ? 'failed' : now === name ? 'carries the traffic' : 'spare';
  const mark = failed ? '✖' : now === name ? '●' : '○';
  const bytes = `${(recording.carriedBy(name) / 1e6).toFixed(1).padStart(7)} MB`;
  const line = ` ${mark} ${name.padEnd(10)}${ROUND_TRIPS[name].toFixed(1).padStart(5)} ms ${bytes}   ${state}`;
  return paint(cut(line), failed ? 'failure' : now === name ? name : 'faint');
}
