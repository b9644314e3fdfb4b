/** What the rounds of the tunnel benchmark come to, as programs read it. */
import type { Skipped } from '../model.js';
import { SYSTEMS, type System } from '../peers/index.js';
import { median, rounded, spread } from '../statistics.js';
import { type Sample, TESTS, type TestName } from './tests.js';

export interface TunnelResult {
  system: System;
  version: string;
  test: TestName;
  /** Of the rounds. */
  median: number;
  min: number;
  max: number;
  unit: 'Mbit/s' | 'ms';
  /** Of the programs at both ends together, the median of the rounds; 0 where there is no program. */
  cpuSecondsPerGB: number;
  /** Resident, of the client's end, since it was started. */
  peakMemoryMB: number;
}

export interface TunnelJson {
  results: TunnelResult[];
  skipped: Skipped[];
}

export const UNITS: Record<TestName, TunnelResult['unit']> = {
  'tcp-up': 'Mbit/s',
  'tcp-down': 'Mbit/s',
  'tcp-8': 'Mbit/s',
  'udp-1400': 'Mbit/s',
  'udp-64': 'Mbit/s',
  ping: 'ms',
  'ping-loaded': 'ms',
};

/** What is measured. */
export interface Subject {
  system: System;
  version: string;
  test: TestName;
}

export type Round = Sample & { peakMemoryMB: number };

interface Entry extends Subject {
  rounds: Round[];
  /** Why rounds failed. */
  failures: string[];
}

/** Collects rounds. */
export class Tally {
  readonly #entries = new Map<string, Entry>();

  add(subject: Subject, round: Round): void {
    this.#entry(subject).rounds.push(round);
  }

  fail(subject: Subject, why: string): void {
    this.#entry(subject).failures.push(why);
  }

  /** By system, then by test, in the order in which they are shown. */
  results(): TunnelResult[] {
    return this.#sorted()
      .filter(({ rounds }) => rounds.length > 0)
      .map(summary);
  }

  /** What failed, also if only in some rounds. */
  failures(): Skipped[] {
    return this.#sorted()
      .filter(({ failures }) => failures.length > 0)
      .map(({ system, test, rounds, failures }) => {
        const all = rounds.length + failures.length;
        const which = rounds.length === 0 ? '' : `, ${failures.length} of ${all} rounds`;
        return { what: `${system}, ${test}${which}`, why: failures.at(-1) ?? '' };
      });
  }

  #sorted(): Entry[] {
    const place = ({ system, test }: Subject) => SYSTEMS.indexOf(system) * TESTS.length + TESTS.indexOf(test);
    return [...this.#entries.values()].sort((a, b) => place(a) - place(b));
  }

  #entry(subject: Subject): Entry {
    const key = `${subject.system} ${subject.test}`;
    const entry = this.#entries.get(key) ?? { ...subject, rounds: [], failures: [] };
    this.#entries.set(key, entry);
    return entry;
  }
}

function summary({ system, version, test, rounds }: Entry): TunnelResult {
  const values = spread(rounds.map(({ value }) => value));
  const costs = rounds.map(({ cpuSeconds, bytes }) => (bytes === 0 ? 0 : (cpuSeconds / bytes) * 1e9));
  return {
    system,
    version,
    test,
    median: rounded(values.median),
    min: rounded(values.min),
    max: rounded(values.max),
    unit: UNITS[test],
    cpuSecondsPerGB: rounded(median(costs)),
    peakMemoryMB: rounded(Math.max(...rounds.map(({ peakMemoryMB }) => peakMemoryMB)), 1),
  };
}
