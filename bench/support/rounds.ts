// A part of the packet core measured alone: many calls a round, the median round counts.
import { figure } from '../../src/bench/figure.js';
import { median } from '../../src/bench/statistics.js';
import { timed } from '../../src/bench/stopwatch.js';

/** Of one round; long beside the clock's resolution. */
const ROUND_US = 2000;
const ROUNDS = 25;

/** Prints what one call costs, and the bytes a second if a call is about `bytes` of them. */
export function report(name: string, call: () => void, bytes?: number): void {
  const repeat = (times: number) => () => {
    for (let i = 0; i < times; i++) call();
  };
  let calls = 1;
  while (timed(repeat(calls)) < ROUND_US) calls *= 2;
  const us = median(Array.from({ length: ROUNDS }, () => timed(repeat(calls)) / calls));
  const rate = bytes === undefined ? '' : `${figure(bytes / us, 0).padStart(8)} MB/s`;
  console.log(`${name.padEnd(40)} ${figure(us * 1000).padStart(8)} ns${rate}`);
}
