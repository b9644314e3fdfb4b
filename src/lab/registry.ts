/**
 * Who owns which laboratory. Each has a record in RECORDS, written before anything else is made, so that what a
 * killed owner left behind can be found and removed by the next one to start.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommandSync } from './command.js';

const RECORDS = '/run/vpnr-lab';

export interface LabRecord {
  /** Names of its namespaces begin with this. */
  prefix: string;
  /** Configuration, secrets, sockets and logs. */
  folder: string;
  /** The owner's process id and, as ids are used again, its start time. */
  pid: number;
  started: string;
}

/** Field 22 of /proc/PID/stat: clock ticks from boot to the start of the process; undefined when there is none. */
export function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the program's name in parentheses, may contain anything: count from its end.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

const recordFile = (prefix: string) => join(RECORDS, `${prefix}json`);

export function writeRecord(record: LabRecord): void {
  mkdirSync(RECORDS, { recursive: true, mode: 0o700 });
  const file = recordFile(record.prefix);
  try {
    writeFileSync(file, JSON.stringify(record), { mode: 0o600 });
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  }
}

/** Ends all processes in the laboratory's namespaces, and removes the namespaces, the folder and the record. */
export function removeLab({ prefix, folder }: Pick<LabRecord, 'prefix' | 'folder'>): void {
  const namespaces = runCommandSync(['ip', 'netns', 'list'])
    .split('\n')
    .map(line => line.split(' ')[0] ?? '')
    .filter(name => name.startsWith(prefix));
  for (const name of namespaces) {
    for (const pid of runCommandSync(['ip', 'netns', 'pids', name]).split('\n')) kill(Number(pid));
  }
  const deletions = namespaces.map(name => `netns del ${name}\n`).join('');
  if (deletions !== '') runCommandSync(['ip', '-force', '-batch', '-'], deletions);
  rmSync(folder, { recursive: true, force: true });
  rmSync(recordFile(prefix), { force: true });
}

/** Removes the laboratories whose owners have ended without doing so. */
export function removeStaleLabs(): void {
  for (const record of records()) {
    if (startTime(record.pid) !== record.started) removeLab(record);
  }
}

function records(): LabRecord[] {
  let files: string[];
  try {
    files = readdirSync(RECORDS);
  } catch {
    return [];
  }
  return files.flatMap(file => {
    try {
      return [JSON.parse(readFileSync(join(RECORDS, file), 'utf8')) as LabRecord];
    } catch {
      // Another process is writing or removing it.
      return [];
    }
  });
}

function kill(pid: number): void {
  if (!Number.isInteger(pid) || pid <= 1) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
