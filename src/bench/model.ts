/**
 * A finished benchmark as people see it. A benchmark (crypto.ts, relay.ts, tunnel.ts) measures and returns an `Outcome`: this
 * model for the renderers (text.ts, page.ts) and one JSON object for programs. Nothing in the model is formatted: figures are numbers,
 * and null stands for what was not measured.
 */

export interface Benchmark {
  /** As in "vpnr bench crypto". */
  title: string;
  /** What was measured and how, a paragraph each. */
  method: readonly string[];
  machine: Machine;
  sections: readonly Section[];
  goals: readonly Goal[];
  notes: readonly string[];
  skipped: readonly Skipped[];
}

/** What is compared can only be compared on one machine. */
export interface Machine {
  cpu: string;
  /** Logical processors that this process may use. */
  cores: number;
  memoryGB: number;
  /** As in "Linux 6.18.5". */
  system: string;
  node: string;
  /** The load average of the last minute when the benchmark began. */
  load: number;
}

/** Figures that belong together: plots, and below them all of it as a table. */
export interface Section {
  title: string;
  plots?: readonly Plot[];
  charts: readonly Chart[];
  table?: Table;
}

/** What something was, over time: lines of one unit, all on one scale that begins at zero. */
export interface Plot {
  title: string;
  unit: string;
  /** Milliseconds since what happened at 0. */
  from: number;
  to: number;
  lines: readonly PlotLine[];
  /** A part of the time to compare with. */
  span?: { label: string; from: number; to: number };
}

export interface PlotLine {
  label: string;
  /** Of equal parts of the time; null where not known. */
  values: readonly (number | null)[];
}

export interface Table {
  columns: readonly Column[];
  /** As many cells as there are columns. */
  rows: readonly (readonly Cell[])[];
}

export interface Column {
  title: string;
  /** A figure's column is aligned to the right. Default: text. */
  kind?: 'text' | 'figure';
  /** Digits behind the point; by default as many as make three digits that count. */
  digits?: number;
  /** Behind every figure, as in "x" or " %". */
  suffix?: string;
}

export type Cell = string | number | null;

/** Bars of one unit, all on one scale that begins at zero. */
export interface Chart {
  title: string;
  unit: string;
  better: 'more' | 'less';
  bars: readonly Bar[];
}

export interface Bar {
  label: string;
  value: number | null;
  /** Of the rounds, where `value` is their median. */
  min?: number;
  max?: number;
  /** Ours is what the others are compared with: the first of them in a chart; a limit is what no program can exceed. */
  kind: 'ours' | 'peer' | 'limit';
}

/** What had to be reached: a ratio or another figure. */
export interface Goal {
  name: string;
  /** Null: not measured. */
  value: number | null;
  /** Behind the figures, as in " x" or " ms". */
  unit: string;
  better: 'more' | 'less';
  least: number;
  aim: number;
}

/** A part that could not be measured here, and why. */
export interface Skipped {
  what: string;
  why: string;
}

/** `Json`: one object, the shape that the command promises. */
export interface Outcome<Json> {
  benchmark: Benchmark;
  json: Json;
}

export type Verdict = 'aim reached' | 'reached' | 'missed' | 'not measured';

export function verdictOf({ value, better, least, aim }: Goal): Verdict {
  if (value === null) return 'not measured';
  const reaches = (mark: number) => (better === 'more' ? value >= mark : value <= mark);
  return reaches(aim) ? 'aim reached' : reaches(least) ? 'reached' : 'missed';
}
