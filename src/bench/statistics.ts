/** Statistics of the rounds of a measurement. */

export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** Throws RangeError for an empty list. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** Throws RangeError for an empty list. */
export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Null where one of them was not measured, or the second is zero. */
export function ratio(a: number | null | undefined, b: number | null | undefined): number | null {
  return a === null || a === undefined || b === null || b === undefined || b === 0 ? null : a / b;
}

/** For JSON: as many decimals as a measurement can mean. */
export function rounded(value: number, decimals = 3): number {
  return Number(value.toFixed(decimals));
}
