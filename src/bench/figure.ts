/** Figures as text. */
import type { Cell, Column } from './model.js';

export const NOTHING = '-';

/** Three digits that count, and the whole part always: 0.0123, 1.23, 12.3, 1,234. With `digits`: so many decimals. */
export function figure(value: number, digits?: number): string {
  // Of the rounded value: 0.9996 is 1.00.
  const shown = Math.abs(Number(value.toPrecision(3)));
  const magnitude = shown === 0 ? 0 : Math.floor(Math.log10(shown));
  const decimals = digits ?? Math.min(6, Math.max(0, 2 - magnitude));
  return value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

export function cellText(cell: Cell, { digits, suffix = '' }: Column): string {
  if (typeof cell === 'string') return cell;
  return cell === null ? NOTHING : `${figure(cell, digits)}${suffix}`;
}
