/**
 * Steps that take back what vpnr changed in the system. Each names exactly what vpnr made, so that carrying it
 * out twice, or after somebody else's change, does no harm.
 */
import type { VpnrError } from '../errors.js';
import { toVpnrError } from '../errors.js';
import { changeIp, IpError, tryChangeIp } from './ip.js';
import type { Journal, JournalEntry } from './journal.js';
import { findLink, ROUTE_PROTOCOL } from './network.js';
import { deleteTable } from './nft.js';
import { putBackResolvConf } from './resolv-conf.js';
import { forgetInResolved } from './resolved.js';
import { readSysctl, writeSysctl } from './sysctl.js';

export type UndoStep =
  /** Deletes a route that bears vpnr's mark. `device` absent: whatever device it has. */
  | { kind: 'route'; destination: string; device?: string; metric?: number }
  | { kind: 'address'; address: string; device: string; index: number }
  | { kind: 'link'; device: string; index: number }
  /** Puts `before` back, unless somebody has changed the parameter from `set` since. */
  | { kind: 'sysctl'; name: string; before: string; set: string }
  /** Deletes a table of nftables. */
  | { kind: 'table'; table: string }
  /** Deletes a rule, and the routing table that it leads packets from the device to. */
  | { kind: 'rule'; device: string; table: number }
  /** Deletes the rule for packets from this address, and the routing table that it leads them to. */
  | { kind: 'source-rule'; address: string; table: number }
  /** Has systemd-resolved forget what it was told of a device. */
  | { kind: 'resolved'; device: string; index: number }
  /** Puts /etc/resolv.conf back, unless somebody has changed it since. */
  | { kind: 'resolv-conf'; name: string };

interface Failure {
  entry: JournalEntry;
  error: VpnrError;
}

/**
 * Carries out the steps of these entries, the last first, and settles those that succeeded. Returns what went wrong; that a
 * thing is gone already is no failure.
 */
export async function takeBack(journal: Journal, entries: readonly JournalEntry[]): Promise<VpnrError[]> {
  const failures = await undoAll(entries);
  const failed = new Set(failures.map(failure => failure.entry));
  journal.settle(entries.filter(entry => !failed.has(entry)));
  return failures.map(failure => failure.error);
}

async function undoAll(entries: readonly JournalEntry[]): Promise<Failure[]> {
  const failures: Failure[] = [];
  const rest = [...entries];
  while (rest.length > 0) {
    // Routes may be many: those that follow each other go in one batch.
    const others = rest.findLastIndex(({ undo }) => undo.kind !== 'route') + 1;
    const routes = rest.splice(others).reverse();
    failures.push(...(await deleteRoutes(routes)));
    const entry = rest.pop();
    if (entry === undefined) break;
    try {
      if (entry.undo.kind !== 'route') await undo(entry.undo);
    } catch (error) {
      failures.push({ entry, error: toVpnrError(error) });
    }
  }
  return failures;
}

async function deleteRoutes(entries: readonly JournalEntry[]): Promise<Failure[]> {
  const commands = entries.flatMap(({ undo }) => (undo.kind === 'route' ? [deleteRouteCommand(undo)] : []));
  try {
    const failures = await tryChangeIp(commands);
    return failures
      .filter(error => error.reason !== 'absent')
      .flatMap(error => entries.slice(error.index, error.index + 1).map(entry => ({ entry, error })));
  } catch (error) {
    return entries.map(entry => ({ entry, error: toVpnrError(error) }));
  }
}

async function undo(step: Exclude<UndoStep, { kind: 'route' }>): Promise<void> {
  switch (step.kind) {
    case 'address':
      if (!(await isSameLink(step))) return;
      return changeUnlessAbsent(['address', 'delete', step.address, 'dev', step.device]);
    case 'link':
      if (!(await isSameLink(step))) return;
      return changeUnlessAbsent(['link', 'delete', 'dev', step.device]);
    case 'sysctl':
      if (readSysctl(step.name) === step.set) writeSysctl(step.name, step.before);
      return;
    case 'table':
      return deleteTable(step.table);
    case 'rule':
      await changeUnlessAbsent(['rule', 'delete', 'iif', step.device, 'lookup', String(step.table)]);
      return changeUnlessAbsent(['route', 'flush', 'table', String(step.table)]);
    case 'source-rule':
      await changeUnlessAbsent(['rule', 'delete', 'from', step.address, 'lookup', String(step.table)]);
      return changeUnlessAbsent(['route', 'flush', 'table', String(step.table)]);
    case 'resolved':
      if (await isSameLink(step)) await forgetInResolved(step.device);
      return;
    case 'resolv-conf':
      putBackResolvConf(step.name);
  }
}

export function deleteRouteCommand(route: {
  destination: string;
  device?: string;
  metric?: number;
}): string[] {
  return [
    'route',
    'delete',
    route.destination,
    ...(route.device === undefined ? [] : ['dev', route.device]),
    ...(route.metric === undefined ? [] : ['metric', String(route.metric)]),
    'protocol',
    String(ROUTE_PROTOCOL),
  ];
}

/** A device that was deleted and made again has the name, but not the number: it is not vpnr's. */
async function isSameLink(step: { device: string; index: number }): Promise<boolean> {
  return (await findLink(step.device))?.index === step.index;
}

async function changeUnlessAbsent(command: string[]): Promise<void> {
  try {
    await changeIp([command]);
  } catch (error) {
    if (!(error instanceof IpError && error.reason === 'absent')) throw error;
  }
}
