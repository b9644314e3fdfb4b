/**
 * `vpnr bench tunnel`:
 *   1. every system is started between two hosts of its own, and stays; what cannot be started is skipped, with the reason
 *   2. each carries a little in both directions, which does not count
 *   3. round after round, and in a round test after test, the systems take turns; each round begins with another one, so that what
 *      else the machine does hits all alike
 *   4. the median of a system's rounds counts
 */
import { readFileSync } from 'node:fs';
import { toVpnrError, VpnrError } from '../../errors.js';
import { findProgram } from '../../lab/command.js';
import { labObstacle, type Program } from '../../lab/index.js';
import { type BenchContext, unlessAborted } from '../context.js';
import { thisMachine } from '../machine.js';
import type { Outcome, Skipped } from '../model.js';
import { peerOf, type System } from '../peers/index.js';
import { describeTunnel } from './report.js';
import { Tally, type TunnelJson } from './result.js';
import { openScene, type Scene } from './scene.js';
import { runTest, type TestName } from './tests.js';
import { peakMemoryMB } from './usage.js';

export interface TunnelOptions {
  systems: readonly System[];
  tests: readonly TestName[];
  rounds: number;
  /** Whole seconds of each stream. */
  seconds: number;
  /** How to run vpnr. */
  program: Program;
}

const PROGRAMS = ['iperf3', 'ping'];
const WARM_UP = ['tcp-up', 'tcp-down'] as const;
const WARM_UP_SECONDS = 1;

/**
 * Removes everything that it made. Throws NOT_ROOT, MISSING_PROGRAM or LAB_FAILED where nothing can be measured, and the
 * signal's reason when it is aborted.
 */
export async function benchTunnel(
  context: BenchContext,
  options: TunnelOptions,
): Promise<Outcome<TunnelJson>> {
  mustHaveLaboratory();
  const machine = thisMachine();
  const bench = new TunnelBench(context, options);
  try {
    await bench.open();
    await bench.measure();
  } finally {
    bench.close();
  }
  const json = bench.result();
  const { rounds, seconds } = options;
  const effort = { rounds, seconds, congestionControl: congestionControl() };
  return { benchmark: describeTunnel(json, machine, effort), json };
}

function mustHaveLaboratory(): void {
  const missing = PROGRAMS.filter(program => findProgram(program) === undefined);
  if (missing.length > 0) {
    throw new VpnrError('MISSING_PROGRAM', `not installed: ${missing.join(', ')}`, {
      remedy: 'install it (Debian: iperf3, iputils-ping)',
    });
  }
  const obstacle = labObstacle();
  if (obstacle === undefined) return;
  throw new VpnrError(obstacle === 'not root' ? 'NOT_ROOT' : 'LAB_FAILED', `no laboratory: ${obstacle}`, {
    remedy: 'run it as root (sudo), or where the kernel allows user namespaces; it needs iproute2',
  });
}

class TunnelBench {
  readonly #context: BenchContext;
  readonly #options: TunnelOptions;
  readonly #scenes: Scene[] = [];
  readonly #skipped: Skipped[] = [];
  readonly #tally = new Tally();
  readonly #steps: number;
  #done = 0;

  constructor(context: BenchContext, options: TunnelOptions) {
    this.#context = context;
    this.#options = options;
    this.#steps = options.systems.length * (2 + options.rounds * options.tests.length);
  }

  async open(): Promise<void> {
    const { systems, program } = this.#options;
    for (const system of systems) {
      this.#step(`${system} is started`);
      const peer = peerOf(system, program);
      const obstacle = peer.obstacle();
      if (obstacle !== undefined) this.#skipped.push({ what: system, why: obstacle });
      else {
        await this.#attempt(system, async () => {
          this.#scenes.push(await openScene(peer, this.#context.signal));
        });
      }
    }
    if (this.#scenes.length === 0) {
      const reasons = this.#skipped.map(({ what, why }) => `${what} (${why})`);
      throw new VpnrError('LAB_FAILED', `nothing can be measured here: ${reasons.join(', ')}`);
    }
  }

  async measure(): Promise<void> {
    const { tests, rounds } = this.#options;
    for (const scene of this.#scenes) await this.#warmUp(scene);
    for (let round = 0; round < rounds; round++) {
      for (const test of tests) {
        for (const scene of rotated(this.#scenes, round)) await this.#sample(test, scene, round);
      }
    }
  }

  result(): TunnelJson {
    return { results: this.#tally.results(), skipped: [...this.#skipped, ...this.#tally.failures()] };
  }

  close(): void {
    for (const scene of this.#scenes) scene.close();
  }

  /** Until then a program's code is interpreted, its memory not touched, and what a tunnel learns not known. */
  async #warmUp(scene: Scene): Promise<void> {
    this.#step(`${scene.system} is warmed up`);
    for (const test of WARM_UP) {
      // What fails here fails again when it counts.
      await unlessAborted(
        this.#context,
        runTest(test, scene, WARM_UP_SECONDS).catch(() => {}),
      );
    }
  }

  async #sample(test: TestName, scene: Scene, round: number): Promise<void> {
    const { rounds, seconds } = this.#options;
    const { system, version, tunnel } = scene;
    this.#step(`round ${round + 1} of ${rounds}, ${test}, ${system}`);
    try {
      const sample = await unlessAborted(this.#context, runTest(test, scene, seconds));
      this.#tally.add({ system, version, test }, { ...sample, peakMemoryMB: peakMemoryMB(tunnel.client) });
    } catch (error) {
      this.#context.signal.throwIfAborted();
      this.#tally.fail({ system, version, test }, reasonOf(error));
    }
  }

  async #attempt(what: string, body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      this.#context.signal.throwIfAborted();
      this.#skipped.push({ what, why: reasonOf(error) });
    }
  }

  #step(text: string): void {
    this.#context.progress.step(text, this.#done++, this.#steps);
  }
}

/** What hosts of the laboratory take over from this one. */
function congestionControl(): string {
  return readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
}

/** The first line says it; the others are what programs have said. */
function reasonOf(error: unknown): string {
  const { code, message } = toVpnrError(error);
  if (code === 'INTERNAL') throw error;
  return message.split('\n')[0] ?? '';
}

function rotated<T>(list: readonly T[], by: number): T[] {
  const start = by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}
