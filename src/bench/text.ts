/** A benchmark as text for a terminal: goals, then for each section its plots and its table. */
import { painter } from '../report/paint.js';
import { cellText, figure, NOTHING } from './figure.js';
import { describeMachine } from './machine.js';
import { type Bar, type Benchmark, type Chart, type Goal, type Table, verdictOf } from './model.js';
import { plotLines } from './plot.js';
import { ratio } from './statistics.js';

export const WIDTH = 80;
const LABEL_MAX = 24;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

const CODES = { ours: '32', peer: '36', limit: '2', strong: '1', faint: '2', missed: '1;31' };
type Paint = ReturnType<typeof painter<keyof typeof CODES>>;

export function drawBenchmark(benchmark: Benchmark, colours: boolean): string[] {
  const paint = painter(CODES, colours);
  const { title, method, machine, sections, goals, notes, skipped } = benchmark;
  const lines = [
    paint(title, 'strong'),
    ...wrap(describeMachine(machine)),
    ...method.flatMap(text => wrap(text)),
  ];
  for (const section of sections) {
    lines.push('', paint(section.title, 'strong'));
    for (const plot of section.plots ?? []) lines.push('', ...plotLines(plot));
    for (const chart of section.charts) lines.push('', ...drawChart(chart, paint));
    if (section.table !== undefined) lines.push('', ...drawTable(section.table, paint));
  }
  if (goals.length > 0) lines.push('', paint('What it must reach', 'strong'), ...drawGoals(goals, paint));
  if (notes.length > 0) lines.push('', ...notes.flatMap(note => wrap(note)));
  if (skipped.length > 0) lines.push('', paint('Skipped', 'strong'));
  for (const { what, why } of skipped) lines.push(...wrap(`${what}: ${why}`, '  '));
  return lines;
}

/** Columns two spaces apart; the last line has no spaces at its end. */
function drawTable({ columns, rows }: Table, paint: Paint): string[] {
  const texts = rows.map(row => columns.map((column, i) => cellText(row[i] ?? null, column)));
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...texts.map(row => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) =>
        columns[i]?.kind === 'figure' ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [paint(line(columns.map(({ title }) => title)), 'faint'), ...texts.map(line)];
}

/** One bar a line: label, bar, figure, and how many times ours it is. */
function drawChart({ title, unit, better, bars }: Chart, paint: Paint): string[] {
  const labelWidth = Math.min(LABEL_MAX, Math.max(...bars.map(({ label }) => label.length)));
  const ours = bars.find(({ kind }) => kind === 'ours')?.value;
  const ends = bars.map(bar => barEnd(bar, ours ?? null));
  const barWidth = WIDTH - labelWidth - 4 - Math.max(...ends.map(end => end.length));
  const longest = Math.max(...bars.map(({ value }) => value ?? 0));
  const rows = bars.map(({ label, value, kind }, i) => {
    const bar = drawBar(longest > 0 ? (value ?? 0) / longest : 0, barWidth);
    const name = label.slice(0, labelWidth).padEnd(labelWidth);
    return `  ${name} ${paint(bar, kind)}${' '.repeat(barWidth - bar.length)} ${ends[i]}`.trimEnd();
  });
  return [`${title}, ${unit} (${better} is better)`, ...rows];
}

function barEnd({ value, kind }: Bar, ours: number | null): string {
  if (value === null) return NOTHING;
  const times = kind === 'ours' ? null : ratio(value, ours);
  return `${figure(value)}${times === null ? '' : ` (${figure(times)} x)`}`;
}

/** `part` (0 to 1) of `width` cells, to the eighth of a cell. What is more than nothing can be seen. */
export function drawBar(part: number, width: number): string {
  const eighths = part <= 0 ? 0 : Math.max(1, Math.round(part * width * 8));
  return '█'.repeat(eighths >> 3) + (EIGHTHS[eighths & 7] ?? '');
}

function drawGoals(goals: readonly Goal[], paint: Paint): string[] {
  const columns = [
    { title: '' },
    { title: 'measured', kind: 'figure' },
    { title: 'at least', kind: 'figure' },
    { title: 'aim', kind: 'figure' },
    { title: '' },
  ] as const;
  const rows = goals.map(goal => [
    goal.name,
    goal.value === null ? NOTHING : `${figure(goal.value)}${goal.unit}`,
    `${goal.least}${goal.unit}`,
    `${goal.aim}${goal.unit}`,
    verdictOf(goal),
  ]);
  const [head = '', ...lines] = drawTable({ columns, rows }, paint);
  return [head, ...lines.map((line, i) => paint(line, rows[i]?.[4] === 'missed' ? 'missed' : undefined))];
}

/** Lines of at most WIDTH characters. */
function wrap(text: string, indent = ''): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.length > indent.length && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = indent;
    }
    line += line.length > indent.length ? ` ${word}` : word;
  }
  return [...lines, line];
}
