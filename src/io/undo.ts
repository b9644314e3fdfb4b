/**
 * Steps that take back what vpnr changed in the system. Each names exactly what vpnr made, so that carrying it
 * out twice, or after somebody else's change, does no harm.
 */
import type { VpnrError } from '../errors.js';
import { toVpnrError } from '../errors.js';
import { changeIp, IpError } from './ip.js';
import { findLink, ROUTE_PROTOCOL } from './network.js';
import { readSysctl, writeSysctl } from './sysctl.js';

export type UndoStep =
  /** Deletes a route that bears vpnr's mark. `device` absent: whatever device it has. */
  | { kind: 'route'; destination: string; device?: string; metric?: number }
  | { kind: 'address'; address: string; device: string; index: number }
  | { kind: 'link'; device: string; index: number }
  /** Puts `before` back, unless somebody has changed the parameter from `set` since. */
  | { kind: 'sysctl'; name: string; before: string; set: string };

/** Throws what went wrong; that the thing is gone already is not wrong. */
export async function undo(step: UndoStep): Promise<void> {
  switch (step.kind) {
    case 'route':
      return changeUnlessAbsent(deleteRouteCommand(step));
    case 'address':
      if (!(await isSameLink(step))) return;
      return changeUnlessAbsent(['address', 'delete', step.address, 'dev', step.device]);
    case 'link':
      if (!(await isSameLink(step))) return;
      return changeUnlessAbsent(['link', 'delete', 'dev', step.device]);
    case 'sysctl':
      if (readSysctl(step.name) === step.set) writeSysctl(step.name, step.before);
  }
}

/** Carries all of the steps out, the last first, and returns those that failed. */
export async function undoAll<T extends { undo: UndoStep }>(
  steps: readonly T[],
): Promise<{ entry: T; error: VpnrError }[]> {
  const failures: { entry: T; error: VpnrError }[] = [];
  for (const entry of steps.toReversed()) {
    try {
      await undo(entry.undo);
    } catch (error) {
      failures.push({ entry, error: toVpnrError(error) });
    }
  }
  return failures;
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
