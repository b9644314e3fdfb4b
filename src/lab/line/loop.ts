/** The loop that carries the frames of all lines of a laboratory, in a thread of its own. */
import { POLLERR, POLLIN, PollSet } from '../../io/poll.js';
import { wakeExactly } from '../../io/thread.js';
import { Lane, Pool } from './lane.js';
import { LANE_SIZE } from './settings.js';

/** Frames from one TAP device to the other, by their descriptors. */
export interface LaneStart {
  from: number;
  to: number;
  seed: number;
}

export interface LinesStart {
  lanes: readonly LaneStart[];
  /** LANE_SIZE numbers for each lane. */
  numbers: SharedArrayBuffer;
  /** Becomes 1 when the thread has to end; `wakeFd` is signalled then. */
  stop: SharedArrayBuffer;
  wakeFd: number;
}

/** The longest sleep, milliseconds. */
const IDLE_MS = 60_000;
/**
 * While frames flow the thread looks only this often, milliseconds: on a virtual machine a wake-up costs more than
 * twenty frames. A frame then came up to this long ago, and will be written up to this long after it is due. It counts
 * as having come so long ago, and so the delay is kept within plus or minus this, and in the mean.
 */
const GRAIN_MS = 0.25;

export function carryFrames({ lanes: starts, numbers, stop, wakeFd }: LinesStart): void {
  const stopped = new Int32Array(stop);
  const pool = new Pool();
  const lanes = starts.map((start, index) => {
    const memory = new Float64Array(numbers, index * LANE_SIZE * 8, LANE_SIZE);
    return new Lane({ ...start, memory, pool });
  });
  const wakeSlot = lanes.length;
  const set = new PollSet(lanes.length + 1);
  lanes.forEach((lane, index) => {
    set.watch(index, lane.from, POLLIN);
  });
  set.watch(wakeSlot, wakeFd, POLLIN);
  wakeExactly();
  let busy = false;
  let woken = 0;
  while (Atomics.load(stopped, 0) === 0) {
    if (busy) set.sleepPrecisely(GRAIN_MS);
    set.waitPrecisely(busy ? 0 : Math.max(0, earliest(lanes) - performance.now()));
    const now = performance.now();
    let moved = 0;
    for (let index = 0; index < lanes.length; index++) {
      const lane = lanes[index] as Lane;
      const ready = set.ready(index);
      if ((ready & POLLIN) !== 0) moved += lane.accept(busy ? now - GRAIN_MS : now);
      // The device is gone, with its namespace.
      else if ((ready & POLLERR) !== 0) set.clear(index);
      moved += lane.deliver(performance.now());
    }
    busy = busy ? moved > 1 : now - woken < GRAIN_MS;
    woken = now;
  }
}

function earliest(lanes: readonly Lane[]): number {
  let due = performance.now() + IDLE_MS;
  for (let index = 0; index < lanes.length; index++) due = Math.min(due, (lanes[index] as Lane).due);
  return due;
}
