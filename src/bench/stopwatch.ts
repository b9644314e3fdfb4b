/**
 * The time of a piece of work that does not wait, in microseconds, as if nothing else ran on the processor: wall clock,
 * or the process's CPU time when that is clearly less, which means that the work was interrupted.
 */
export function timed(work: () => void): number {
  const cpuBefore = process.cpuUsage();
  const before = performance.now();
  work();
  const wall = (performance.now() - before) * 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpu = user + system;
  return wall - cpu > RESOLUTION_US ? cpu : wall;
}

/** CPU time comes in whole microseconds, from calls that take time themselves. */
const RESOLUTION_US = 5;
