/** What programs have cost so far, as the kernel accounts it (proc(5)). */
import { readFileSync } from 'node:fs';
import { VpnrError } from '../../errors.js';

/** Of the times in /proc/PID/stat: USER_HZ, 100 a second on all architectures that Node.js runs on. */
const TICKS_PER_SECOND = 100;

/** Fields of /proc/PID/stat, counted from the third, the process's state. */
const UTIME = 11;
const STIME = 12;

function read(pid: number, file: 'stat' | 'status'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    throw new VpnrError('LAB_FAILED', 'the program has ended while it was measured', { cause: error });
  }
}

/** Seconds that all threads of these processes have run, in their own code and in the kernel for them. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + parseCpuSeconds(read(pid, 'stat')), 0);
}

/** The most memory that each process has had resident (VmHWM), added up, in MB. */
export function peakMemoryMB(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + parsePeakMemoryMB(read(pid, 'status')), 0);
}

/** Reads /proc/PID/stat: utime and stime, in seconds. */
export function parseCpuSeconds(stat: string): number {
  // The second field, the program's name in parentheses, may contain anything: count from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[UTIME]) + Number(fields[STIME])) / TICKS_PER_SECOND;
}

/** Reads /proc/PID/status: VmHWM, which is in units of 1,024 bytes, as MB of 1,000,000. */
export function parsePeakMemoryMB(status: string): number {
  return (Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024) / 1e6;
}
