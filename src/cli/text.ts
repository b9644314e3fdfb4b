/** Figures and times as text for people. */
import type { Offloads } from '../dataplane/offloads.js';
import type { VpnrError } from '../errors.js';
import type { Traffic } from '../packet/traffic.js';
import type { Reloaded } from '../service/reload.js';

const MOST_NAMED = 8;

/** One line, and one below it with what to do. */
export function describeError({ code, message, remedy }: VpnrError): string {
  return `error ${code}: ${message}${remedy === undefined ? '' : `\n  ${remedy}`}`;
}

/** The time of day with milliseconds, in front of a line. */
export function stamp(now: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const ms = String(now.getMilliseconds()).padStart(3, '0');
  return `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}.${ms}`;
}

/** Which of the kernel's offloads are in use. */
export function describeOffloads({ tcp, udp, send, receive }: Offloads): string {
  const used = [tcp && 'TCP', udp && 'UDP', send && 'send', receive && 'receive'].filter(Boolean);
  return `  offloads  ${used.length === 0 ? 'none' : used.join(', ')}`;
}

/** Those of root are too many to name. */
export function describeRights(capabilities: readonly string[]): string {
  const few = capabilities.length <= MOST_NAMED;
  const names = capabilities.map(name => name.replace(/^CAP_/, '').toLowerCase()).join(', ');
  return `  rights    ${few ? names || 'none' : `${capabilities.length} capabilities`}`;
}

/** Traffic in two lines; below them the drops that happened. */
export function describeTraffic({ counters, drops }: Traffic): string[] {
  const of = (name: string) => counters[name] ?? 0;
  return [
    `  sent      ${count(of('tx-packets'), 'packet', 'packets')}, ${formatBytes(of('tx-bytes'))}`,
    `  received  ${count(of('rx-packets'), 'packet', 'packets')}, ${formatBytes(of('rx-bytes'))}`,
    ...Object.entries(drops).map(([reason, value]) => `  dropped   ${value} ${reason}`),
  ];
}

/** What came of reading a server's configuration anew. */
export function describeReloaded({ added, removed, changed, restart }: Reloaded): string {
  const parts = Object.entries({
    new: added,
    gone: removed,
    'with another secret': changed,
    'not before a restart': restart,
  }).flatMap(([what, names]) => (names.length === 0 ? [] : [`${what}: ${names.join(', ')}`]));
  return parts.join('; ') || 'nothing has changed';
}

export function formatDuration(ms: number): string {
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  const tenths = Math.round(ms / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.floor(tenths / 10);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

export function formatBytes(bytes: number): string {
  return scaled(bytes, ['B', 'kB', 'MB', 'GB', 'TB']);
}

export function formatRate(bitsPerSecond: number): string {
  return scaled(bitsPerSecond, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s']);
}

/** In the unit in which what is shown, rounded, is below 1000. */
function scaled(value: number, [unit = '', ...larger]: readonly string[], digits = 0): string {
  const shown = value.toFixed(digits);
  return Number(shown) < 1000 || larger.length === 0 ? `${shown} ${unit}` : scaled(value / 1000, larger, 1);
}

export function count(value: number, one: string, many: string): string {
  return `${value} ${value === 1 ? one : many}`;
}
