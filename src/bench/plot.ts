/** Lines over time, as a picture for a page and as rows of characters for a terminal. */
import { axesOf, wholeSeconds } from '../report/axes.js';
import { escapeText, round } from '../report/html.js';
import { plotRows, scaleFor } from '../report/plot.js';
import type { Plot } from './model.js';

const FRAME = { width: 960, height: 260, left: 56, right: 12, top: 30, bottom: 28 };
const LEGEND_STEP = 130;
const SPAN_HEIGHT = 18;
/** Legible on white and on black. */
const COLOURS = ['#1f77b4', '#d95f02', '#2ca02c', '#9467bd'];

export const PLOT_STYLE = `
  .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .span { fill: currentColor; fill-opacity: .08; }
  .moment { stroke: #d62728; stroke-width: 1.5; stroke-dasharray: 3 3; }`;

const colourOf = (index: number) => COLOURS[index % COLOURS.length] as string;

/** The end of the scale of all lines. */
function topOf({ lines }: Plot): number {
  return scaleFor(Math.max(1, ...lines.flatMap(({ values }) => values.map(value => value ?? 0))));
}

/** As a figure with an SVG picture. */
export function drawPlot(plot: Plot): string {
  const { title, unit, from, to, lines, span } = plot;
  const axes = axesOf({ ...FRAME, from, to, max: topOf(plot) });
  const { x, y, grid, baseline, ticks } = axes;
  const caption = escapeText(`${title}, ${unit}`);
  const band =
    span === undefined
      ? ''
      : `<rect class="span" x="${x(span.from)}" y="${FRAME.top}" width="${round(x(span.to) - x(span.from))}" height="${y(0) - FRAME.top}"/>` +
        `<text x="${x(span.to) - 6}" y="${FRAME.top + SPAN_HEIGHT}" text-anchor="end">${escapeText(span.label)}</text>`;
  const drawn = lines.map(({ values }, index) => {
    const width = (to - from) / values.length;
    const path = values.map((value, i) => {
      if (value === null) return '';
      // A line begins anew behind what is not known.
      const command = (values[i - 1] ?? null) === null ? 'M' : 'L';
      return `${command}${x(from + (i + 0.5) * width)} ${y(value)}`;
    });
    return `<path class="line" stroke="${colourOf(index)}" d="${path.join('')}"/>`;
  });
  const legend = lines.map(({ label }, index) => {
    const left = FRAME.left + index * LEGEND_STEP;
    return (
      `<line x1="${left}" x2="${left + 22}" y1="12" y2="12" stroke="${colourOf(index)}" stroke-width="3"/>` +
      `<text x="${left + 28}" y="16">${escapeText(label)}</text>`
    );
  });
  return `<figure>
<figcaption>${caption}</figcaption>
<svg viewBox="0 0 ${FRAME.width} ${FRAME.height}" role="img" aria-label="${caption}">
${band}
${grid}
${drawn.join('\n')}
${baseline}
<line class="moment" x1="${x(0)}" x2="${x(0)}" y1="${FRAME.top}" y2="${y(0)}"/>
${ticks}
${legend.join('\n')}
</svg>
</figure>`;
}

/** One row of blocks for each line, all on one scale, above their seconds and the span. */
export function plotLines(plot: Plot): string[] {
  const { title, unit, from, to, lines, span } = plot;
  const max = topOf(plot);
  const columns = Math.max(...lines.map(({ values }) => values.length));
  const labels = [...lines.map(({ label }) => label), span?.label ?? ''];
  const labelWidth = Math.max(...labels.map(({ length }) => length));
  const columnOf = (ms: number) => Math.round(((ms - from) / (to - from)) * columns);
  const row = (label: string, text: string) => `  ${label.padEnd(labelWidth)} ${text}`.trimEnd();
  const axis = Array.from({ length: columns }, () => '─');
  let free = 0;
  for (const second of wholeSeconds(from, to)) {
    const label = `┴${second} s`;
    const at = columnOf(second * 1000);
    if (at < free || at + label.length > columns) continue;
    axis.splice(at, label.length, ...label);
    free = at + label.length;
  }
  return [
    `${title}, 0 to ${max} ${unit}`,
    ...lines.map(({ label, values }) =>
      row(
        label,
        plotRows(
          values.map(value => value ?? undefined),
          1,
          max,
        ).join(''),
      ),
    ),
    row('', axis.join('')),
    ...(span === undefined
      ? []
      : [
          row(
            span.label,
            ' '.repeat(columnOf(span.from)) + '×'.repeat(columnOf(span.to) - columnOf(span.from)),
          ),
        ]),
  ];
}
