/** Throughput over time: its figures, and a plot of them in characters. */

const EIGHTHS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** One row of text for each line of the plot, the top first; a column for each of `rates`, from 0 to `max`. */
export function plotRows(rates: readonly (number | undefined)[], height: number, max: number): string[] {
  return Array.from({ length: height }, (_, row) => {
    const below = height - 1 - row;
    const cells = rates.map(rate => {
      const eighths = Math.round(((rate ?? 0) / max) * height * 8) - below * 8;
      // What is known to be more than nothing can be seen.
      const least = rate !== undefined && rate > 0 && below === 0 ? 1 : 0;
      return EIGHTHS[Math.min(8, Math.max(least, eighths))];
    });
    return cells.join('');
  });
}

/** The end of a scale that holds `value`: 1, 2 or 5 times a power of ten, or 1.2, 1.5 or 3 times. */
export function scaleFor(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  const step = [1, 1.2, 1.5, 2, 3, 5, 10].find(factor => factor * power >= value) ?? 10;
  return step * power;
}

/** What had arrived by then. */
export interface Sample {
  ms: number;
  bytes: number;
}

/**
 * Megabits a second in each of `count` equal parts of the time from `from` to `to`; undefined where not known. `samples`: in the order of
 * time.
 */
export function throughput(
  samples: readonly Sample[],
  from: number,
  to: number,
  count: number,
): (number | undefined)[] {
  const width = (to - from) / count;
  const edges = Array.from({ length: count + 1 }, (_, index) => bytesAt(samples, from + index * width));
  return edges.slice(1).map((end, index) => {
    const start = edges[index];
    return end === undefined || start === undefined ? undefined : ((end - start) * 8) / 1e3 / width;
  });
}

/** Linear between two samples; undefined outside of all. */
export function bytesAt(samples: readonly Sample[], ms: number): number | undefined {
  const after = samples.findIndex(sample => sample.ms >= ms);
  const end = samples[after];
  if (end === undefined) return undefined;
  const start = samples[after - 1];
  if (start === undefined) return end.ms === ms ? end.bytes : undefined;
  return start.bytes + ((end.bytes - start.bytes) * (ms - start.ms)) / (end.ms - start.ms);
}
