/** The axes of a plot over time, in SVG. */
import { round } from './html.js';

export const AXES_STYLE = `
  .grid { stroke: currentColor; stroke-opacity: .15; } .axis { stroke: currentColor; stroke-opacity: .6; }`;

const GRID_LINES = 4;

export interface Frame {
  /** Of the picture. */
  width: number;
  height: number;
  /** Margins around the plot. */
  left: number;
  right: number;
  top: number;
  bottom: number;
  /** Milliseconds. */
  from: number;
  to: number;
  /** The values begin at zero. */
  max: number;
}

export interface Axes {
  /** The place of a time, of a value. */
  x(ms: number): number;
  y(value: number): number;
  grid: string;
  baseline: string;
  /** Whole seconds, below the baseline. */
  ticks: string;
}

export function axesOf({ width, height, left, right, top, bottom, from, to, max }: Frame): Axes {
  const x = (ms: number) => round(left + ((ms - from) / (to - from)) * (width - left - right));
  const y = (value: number) => round(height - bottom - (value / max) * (height - top - bottom));
  const grid = Array.from({ length: GRID_LINES + 1 }, (_, index) => {
    const value = (max * index) / GRID_LINES;
    return (
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(value)}" y2="${y(value)}"/>` +
      `<text x="${left - 6}" y="${y(value) + 4}" text-anchor="end">${round(value)}</text>`
    );
  });
  const baseline = `<line class="axis" x1="${left}" x2="${width - right}" y1="${y(0)}" y2="${y(0)}"/>`;
  const seconds = wholeSeconds(from, to).map(
    second =>
      `<text x="${x(second * 1000)}" y="${height - bottom + 16}" text-anchor="middle">${second} s</text>`,
  );
  return { x, y, grid: grid.join('\n'), baseline, ticks: seconds.join('\n') };
}

/** From `from` to `to`, both milliseconds. */
export function wholeSeconds(from: number, to: number): number[] {
  const first = Math.ceil(from / 1000);
  return Array.from({ length: Math.max(0, Math.floor(to / 1000) - first + 1) }, (_, index) => first + index);
}
