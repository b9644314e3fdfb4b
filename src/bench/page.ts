/** A benchmark as one self-contained HTML page. */
import { AXES_STYLE } from '../report/axes.js';
import { escapeText, htmlPage, round } from '../report/html.js';
import { cellText, figure, NOTHING } from './figure.js';
import { describeMachine } from './machine.js';
import {
  type Bar,
  type Benchmark,
  type Chart,
  type Goal,
  type Section,
  type Table,
  verdictOf,
} from './model.js';
import { drawPlot, PLOT_STYLE } from './plot.js';
import { ratio } from './statistics.js';

const WIDTH = 960;
const LABEL_WIDTH = 220;
const END_WIDTH = 180;
const ROW = 26;
const BAR_HEIGHT = 18;

const STYLE = `
  figure { margin: 1.2rem 0; } figcaption { margin-bottom: .3rem; }
  tr:hover td { background: color-mix(in srgb, currentColor 6%, transparent); }
  .ours { fill: #1f77b4; } .peer { fill: #999; } .limit { fill: none; stroke: #999; stroke-dasharray: 4 3; }
  .spread { stroke: currentColor; } .missed { color: #d62728; font-weight: bold; } .reached { color: #2ca02c; }
  th { border-bottom: 1px solid color-mix(in srgb, currentColor 30%, transparent); } .machine { opacity: .8; }${AXES_STYLE}${PLOT_STYLE}`;

export function benchmarkPage({
  title,
  method,
  machine,
  sections,
  goals,
  notes,
  skipped,
}: Benchmark): string {
  const paragraphs = (texts: readonly string[]) => texts.map(text => `<p>${escapeText(text)}</p>`);
  const body = [
    `<p class="machine">${escapeText(describeMachine(machine))}</p>`,
    ...paragraphs(method),
    goals.length === 0 ? '' : `<h2>What it must reach</h2>\n${goalTable(goals)}`,
    ...sections.map(drawSection),
    notes.length === 0 ? '' : `<h2>Notes</h2>\n${paragraphs(notes).join('\n')}`,
    skipped.length === 0
      ? ''
      : `<h2>Skipped</h2>\n<ul>\n${skipped
          .map(({ what, why }) => `<li>${escapeText(what)}: ${escapeText(why)}</li>`)
          .join('\n')}\n</ul>`,
  ];
  return htmlPage({ title, body: body.filter(part => part !== '').join('\n'), style: STYLE });
}

function drawSection({ title, plots = [], charts, table }: Section): string {
  return [
    `<h2>${escapeText(title)}</h2>`,
    ...plots.map(drawPlot),
    ...charts.map(drawChart),
    ...(table === undefined ? [] : [drawTable(table)]),
  ].join('\n');
}

function drawTable({ columns, rows }: Table): string {
  const mark = (kind: string | undefined) => (kind === 'figure' ? ' class="figure"' : '');
  const head = columns.map(({ title, kind }) => `<th${mark(kind)}>${escapeText(title)}</th>`);
  const lines = rows.map(row => {
    const cells = columns.map(
      (column, i) => `<td${mark(column.kind)}>${escapeText(cellText(row[i] ?? null, column))}</td>`,
    );
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<table>\n<tr>${head.join('')}</tr>\n${lines.join('\n')}\n</table>`;
}

function drawChart({ title, unit, better, bars }: Chart): string {
  const ours = bars.find(({ kind }) => kind === 'ours')?.value ?? null;
  const longest = Math.max(...bars.map(({ value, max }) => Math.max(value ?? 0, max ?? 0)));
  const scale = longest > 0 ? (WIDTH - LABEL_WIDTH - END_WIDTH) / longest : 0;
  const rows = bars.map((bar, index) => drawBar(bar, index * ROW, scale, ours));
  const caption = `${title}, ${unit} (${better} is better)`;
  return `<figure>
<figcaption>${escapeText(caption)}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${bars.length * ROW}" role="img" aria-label="${escapeText(caption)}">
${rows.join('\n')}
</svg>
</figure>`;
}

function drawBar(
  { label, value, min, max, kind }: Bar,
  top: number,
  scale: number,
  ours: number | null,
): string {
  const baseline = top + 15;
  const name = `<text x="${LABEL_WIDTH - 10}" y="${baseline}" text-anchor="end">${escapeText(label)}</text>`;
  if (value === null) return `${name}<text x="${LABEL_WIDTH + 6}" y="${baseline}">${NOTHING}</text>`;
  const times = kind === 'ours' ? null : ratio(value, ours);
  const end = `${figure(value)}${times === null ? '' : ` (${figure(times)} x)`}`;
  const right = LABEL_WIDTH + Math.max(value, max ?? 0) * scale;
  const middle = top + 2 + BAR_HEIGHT / 2;
  const spread =
    min === undefined || max === undefined
      ? ''
      : `<line class="spread" x1="${round(LABEL_WIDTH + min * scale)}" x2="${round(LABEL_WIDTH + max * scale)}" y1="${middle}" y2="${middle}"/>`;
  return (
    `${name}<rect class="${kind}" x="${LABEL_WIDTH}" y="${top + 2}" width="${round(value * scale)}" height="${BAR_HEIGHT}"/>` +
    `${spread}<text x="${round(right + 6)}" y="${baseline}">${escapeText(end)}</text>`
  );
}

function goalTable(goals: readonly Goal[]): string {
  const rows = goals.map(goal => {
    const verdict = verdictOf(goal);
    const kind = verdict === 'missed' ? 'missed' : verdict === 'not measured' ? '' : 'reached';
    const measured = goal.value === null ? NOTHING : `${figure(goal.value)}${goal.unit}`;
    const figures = [measured, `${goal.least}${goal.unit}`, `${goal.aim}${goal.unit}`];
    const cells = figures.map(text => `<td class="figure">${escapeText(text)}</td>`);
    return `<tr><td>${escapeText(goal.name)}</td>${cells.join('')}<td class="${kind}">${verdict}</td></tr>`;
  });
  const head = ['measured', 'at least', 'aim'].map(title => `<th class="figure">${title}</th>`);
  return `<table>\n<tr><th></th>${head.join('')}<th></th></tr>\n${rows.join('\n')}\n</table>`;
}
