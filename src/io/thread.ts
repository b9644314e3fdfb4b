/** Scheduling of the calling thread. */
import { NativeMemory, prctl, sched_setscheduler } from './libc.js';

const CALLER = 0;
const SCHED_RR = 2;
const LOWEST_REALTIME = 1;
const PR_SET_TIMERSLACK = 29;
const SLACK_NS = 1;

/**
 * Lets the calling thread wake up as exactly as the machine can: no timer slack (50 us otherwise), and before all
 * threads that are not real-time, where the rights are there; without them it works too, later under load.
 */
export function wakeExactly(): void {
  prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0);
  const parameter = new NativeMemory(4);
  parameter.view.setInt32(0, LOWEST_REALTIME, true);
  sched_setscheduler(CALLER, SCHED_RR, parameter.address);
}
