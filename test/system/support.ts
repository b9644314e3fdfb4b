import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Context, suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Role } from '../../src/control/event-log.js';
import type { CityOptions } from '../../src/lab/city.js';
import { City, Lab, type LabPlan, labObstacle, strongSwanObstacle } from '../../src/lab/index.js';

/** The built command, as a user runs it. The runner's working folder is the project's. */
export const PROGRAM = [process.execPath, join(process.cwd(), 'dist', 'cli.js')];
/** Ten times what the longest need on a quiet machine. */
const TEST_TIMEOUT_MS = 300_000;

export interface SystemTests {
  /** `obstacle`: why this one test cannot run here. */
  (name: string, body: () => Promise<void>, obstacle?: string): void;
  run(): void;
}

/** What most of the system tests need that this machine lacks. */
function usualObstacle(): string | undefined {
  return labObstacle(['nft', 'openssl', 'ping']) ?? strongSwanObstacle();
}

/**
 * As uvu's suite, with the tests whose names contain TEST_NAME of the environment; those that this machine cannot run
 * are counted as skipped, with the reason.
 */
export function systemTests(
  machine: { obstacle: string | undefined } = { obstacle: usualObstacle() },
): SystemTests {
  const tests = suite<Context>();
  const skipped = new Map<string, number>();
  const add = (name: string, body: () => Promise<void>, obstacle?: string) => {
    if (!name.includes(process.env.TEST_NAME ?? '')) return;
    const reason = machine.obstacle ?? obstacle;
    if (reason === undefined) tests(name, () => bounded(name, body));
    else skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
  };
  return Object.assign(add, {
    run() {
      for (const [reason, count] of skipped) console.log(`# skipped ${count}: ${reason}`);
      tests.run();
    },
  });
}

/** CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN; of a relay CAP_NET_RAW. As in /proc/PID/status. */
export const CAPABILITIES: Record<Role, string> = {
  client: '0000000000001404',
  gateway: '0000000000001404',
  relay: '0000000000003404',
};

/** Fails unless every thread of these processes has the rights that vpnr needs and no others, can never have others, and leaves no core dump. */
export function assertConfined(role: Role, ...pids: (number | undefined)[]): void {
  const needed = CAPABILITIES[role];
  for (const pid of pids) {
    const threads = readdirSync(`/proc/${pid}/task`);
    assert.ok(threads.length > 1);
    for (const thread of threads) {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
      const sets = [...status.matchAll(/^(Cap(?:Prm|Eff|Bnd)):\t(.*)$/gm)].map(([, name, set]) => [
        name,
        set,
      ]);
      assert.equal(Object.fromEntries(sets), { CapPrm: needed, CapEff: needed, CapBnd: needed });
      assert.match(status, /^CapInh:\t0+$/m);
      assert.match(status, /^CapAmb:\t0+$/m);
      assert.match(status, /^NoNewPrivs:\t1$/m);
    }
    assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /^Max core file size +0 +0 /m);
  }
}

/** Prints the test's own figures on a line of their own; the runner shows it. */
export function figures(text: string): void {
  console.log(`\n# ${text}`);
}

/** Runs `body` in a laboratory of its own; when it fails, what the processes have said is printed. */
export async function withLab(plan: LabPlan, body: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await Lab.create(plan);
  await reporting(lab, () => body(lab));
}

/** As `withLab`, with the standard topology and both gateways running. */
export async function withCity(
  options: Omit<CityOptions, 'program'>,
  body: (city: City) => Promise<void>,
): Promise<void> {
  const city = await City.create({ program: PROGRAM, ...options });
  await reporting(city.lab, () => body(city));
}

/** Runs `body`; when it fails, what the laboratory's processes have said is printed. Closes the laboratory. */
export async function reporting(lab: Lab, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    console.log(lab.tails());
    throw error;
  } finally {
    lab.close();
  }
}

async function bounded(name: string, body: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name}: not within ${TEST_TIMEOUT_MS} ms`)), TEST_TIMEOUT_MS);
  });
  try {
    await Promise.race([body(), late]);
  } finally {
    clearTimeout(timer);
  }
}
