/** Telling processes apart. */
import { readFileSync, readlinkSync } from 'node:fs';

/** One process for as long as the machine runs: numbers of processes are used again, their start times differ. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks from boot to the start of the process (field 22 of /proc/PID/stat). */
  start: number;
  /** The kernel's random id of this boot. */
  boot: string;
  /** The process's network namespace, as in `net:[4026531840]`. */
  network: string;
}

/** Throws when /proc is not there. */
export function ownIdentity(): ProcessIdentity {
  const start = startTime(process.pid);
  if (start === undefined) throw new Error('/proc/self/stat cannot be read');
  return {
    pid: process.pid,
    start,
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    network: readlinkSync('/proc/self/ns/net'),
  };
}

/** Whether that very process still runs. */
export function isAlive(process: ProcessIdentity): boolean {
  return startTime(process.pid) === process.start;
}

/** Undefined when there is no such process, or it is a zombie. */
function startTime(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // "PID (NAME) STATE ...": the name may hold spaces and parentheses, so count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  return state === 'Z' || state === 'X' ? undefined : Number(fields[19]);
}
