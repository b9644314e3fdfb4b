/** Whether the machine has slept: CLOCK_BOOTTIME goes on meanwhile, CLOCK_MONOTONIC and all timers stand still. */
import { check, clock_gettime, NativeMemory } from './libc.js';

const CLOCK_MONOTONIC = 1;
const CLOCK_BOOTTIME = 7;
/** struct timespec: seconds and nanoseconds. */
const TIMESPEC_SIZE = 16;
/** Below this it may be the time between the readings of the two clocks, on a busy machine. */
const SHORTEST_MS = 500;

const timespec = new NativeMemory(TIMESPEC_SIZE);

function clockMs(clock: number): number {
  check(clock_gettime(clock, timespec.address), 'clock_gettime');
  const { view } = timespec;
  return Number(view.getBigInt64(0, true)) * 1e3 + Number(view.getBigInt64(8, true)) / 1e6;
}

/** Milliseconds that the machine has spent in suspend since it was started. */
export function asleepMs(): number {
  return clockMs(CLOCK_BOOTTIME) - clockMs(CLOCK_MONOTONIC);
}

export class SuspendDetector {
  readonly #asleepMs: () => number;
  #before: number;

  constructor(read: () => number = asleepMs) {
    this.#asleepMs = read;
    this.#before = read();
  }

  /** Milliseconds slept since the last call that told of a sleep; 0 if the machine was awake. */
  check(): number {
    const asleep = this.#asleepMs();
    const slept = asleep - this.#before;
    if (slept < SHORTEST_MS) return 0;
    this.#before = asleep;
    return slept;
  }
}
