/** What a line does to frames, and the memory in which the two threads share it. */
import { VpnrError } from '../../errors.js';

/** One direction of a line. What is left out does not happen. */
export interface LaneSettings {
  /** From end to end, milliseconds. */
  delayMs?: number;
  /** Up to this much is added to the delay of each frame, evenly distributed; the order is kept all the same. */
  jitterMs?: number;
  /** Share of the frames that are lost, 0 to 1. */
  loss?: number;
  /** Megabits a second, Ethernet headers included. */
  rateMbits?: number;
  /** With a rate: a frame that would wait longer than this for its turn is dropped. 50 when absent. */
  queueMs?: number;
  /** All but ARP vanishes: a fault that no router can see. */
  blackhole?: boolean;
}

/** A line between a host and a network: the same both ways, or each on its own. */
export interface LinePlan extends LaneSettings {
  /** Towards the host, where that differs. */
  in?: LaneSettings;
  /** From the host, where that differs. */
  out?: LaneSettings;
  /** Decides which frames are lost: the same seed and number of a frame, the same fate. */
  seed?: number;
}

/** What has become of the frames of a lane. */
export interface LaneCounters {
  arrived: number;
  delivered: number;
  /** By `loss` or `blackhole`. */
  lost: number;
  /** No room: the queue in front of a rate, or the memory for all frames on their way. */
  overflowed: number;
  /** The interface at the end was down. */
  refused: number;
  /** Delivered more than a millisecond after they were due: this machine was too busy. */
  late: number;
  /** The most of these, milliseconds. */
  latestMs: number;
}

const QUEUE_MS = 50;

/** Places of a lane's settings in its part of the shared array. */
export const DELAY = 0;
export const JITTER = 1;
export const LOSS = 2;
export const BYTES_PER_MS = 3;
export const QUEUE = 4;
export const BLACKHOLE = 5;
/** Places of its counters. */
export const ARRIVED = 6;
export const DELIVERED = 7;
export const LOST = 8;
export const OVERFLOWED = 9;
export const REFUSED = 10;
export const LATE = 11;
export const LATEST = 12;
/** Numbers a lane. */
export const LANE_SIZE = 13;

/** Each number is written by one thread only and is a single aligned store: no lock is needed. */
export type LaneMemory = Float64Array<SharedArrayBuffer>;

/** Writes the settings that are given; the others stay. Throws LAB_FAILED for one that is out of range. */
export function writeSettings(memory: LaneMemory, settings: LaneSettings): void {
  const { delayMs, jitterMs, loss, rateMbits, queueMs, blackhole } = settings;
  const put = (place: number, name: string, value: number | undefined, max: number) => {
    if (value === undefined) return;
    if (!(value >= 0 && value <= max)) {
      throw new VpnrError('LAB_FAILED', `${name} of a line: ${value} is not from 0 to ${max}`);
    }
    memory[place] = value;
  };
  put(DELAY, 'delay', delayMs, 60_000);
  put(JITTER, 'jitter', jitterMs, 60_000);
  put(LOSS, 'loss', loss, 1);
  put(QUEUE, 'queue', queueMs, 60_000);
  // 1 Mbit/s is 125 bytes a millisecond; 0 Mbit/s would be a line that never sends.
  if (rateMbits !== undefined && !(rateMbits > 0)) {
    throw new VpnrError('LAB_FAILED', `rate of a line: ${rateMbits} Mbit/s is not above 0`);
  }
  if (rateMbits !== undefined) memory[BYTES_PER_MS] = rateMbits * 125;
  if (blackhole !== undefined) memory[BLACKHOLE] = blackhole ? 1 : 0;
}

/** A lane without settings: frames pass as they come. */
export function clearSettings(memory: LaneMemory): void {
  memory.fill(0);
  memory[BYTES_PER_MS] = Number.POSITIVE_INFINITY;
  memory[QUEUE] = QUEUE_MS;
}

export function readCounters(memory: LaneMemory): LaneCounters {
  const at = (place: number) => memory[place] ?? 0;
  return {
    arrived: at(ARRIVED),
    delivered: at(DELIVERED),
    lost: at(LOST),
    overflowed: at(OVERFLOWED),
    refused: at(REFUSED),
    late: at(LATE),
    latestMs: at(LATEST),
  };
}
