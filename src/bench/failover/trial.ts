/** One run: a connection carries a TCP transfer and a stream of datagrams, and something happens. */
import type { ConnectionEvent } from '../../client/events.js';
import { type DemoCity, GATEWAY_NAMES, type GatewayName } from '../../demo/stage.js';
import { toVpnrError, VpnrError } from '../../errors.js';
import {
  type Connection,
  SERVER_ADDRESS,
  Stream,
  type StreamDirection,
  Transfer,
  until,
} from '../../lab/index.js';
import type { Sample } from '../../report/plot.js';
import { type BenchContext, unlessAborted } from '../context.js';
import { type FaultName, planOf, type Trial } from './faults.js';

/** Bytes a second in each direction: the lines carry 12,500,000. */
const RATE = 6_000_000;
const SETTLED_BYTES = 3_000_000;
const READY_MS = 20_000;
/** The gateway through which a run begins. */
const PREFERRED = GATEWAY_NAMES[0] as GatewayName;
const CONNECT_ATTEMPTS = 5;
const TRANSFER_MS = 60_000;
const MOVE_MS = 30_000;
/** How long what does not make the traffic move is watched. */
const WATCH_MS = 3000;
/** How long a planned move is given, with what it may lead to: the two ends repair by then what the path of before has lost. */
const PLANNED_MS = 500;

export interface RunResult {
  /** The TCP connection lived on, and what arrived is what was sent. */
  survived: boolean;
  /** From the fault until the client knew of it; null where it had not to. */
  detectMs: number | null;
  /** From then on (or from the beginning of the switch) until the new path had proved itself. */
  switchMs: number | null;
  /** The longest time in which nothing arrived of TCP, in either direction; of a planned move, while it is made. */
  pauseMs: number | null;
  /** Of a planned move: the same in as long a time before it. */
  usualPauseMs: number | null;
  /** Of the datagrams, both directions together; null when the run came to nothing. */
  lost: number | null;
  duplicated: number | null;
  reordered: number | null;
  /** Gateways that were given up though there was no fault that kept them from working. */
  falseAlarms: number;
  /** Of the download, every SAMPLE_MS, by the time since the fault. */
  samples: Sample[];
  problem?: string;
}

export interface RunOptions {
  city: DemoCity;
  configuration: Record<string, unknown>;
  /** Tunnels are kept to all gateways. */
  standby: boolean;
  fault: FaultName;
  restartRelay(): Promise<void>;
}

type TimedEvent = ConnectionEvent & { time: string };

const SAMPLE_MS = 50;
const wallClock = () => performance.timeOrigin + performance.now();

export async function runTrial(context: BenchContext, options: RunOptions): Promise<RunResult> {
  const run = new Run(context, options);
  try {
    return await run.play();
  } finally {
    await run.end();
  }
}

class Run {
  readonly #context: BenchContext;
  readonly #options: RunOptions;
  #connection: Connection | undefined;
  #trial: Trial | undefined;

  constructor(context: BenchContext, options: RunOptions) {
    this.#context = context;
    this.#options = options;
  }

  async play(): Promise<RunResult> {
    const { city, fault, standby } = this.#options;
    const { moves, planned } = planOf(fault);
    const connection = await this.#connect();
    // They come up while the transfer does.
    const standbys = standby ? standbysReady(connection) : Promise.resolve();
    standbys.catch(() => {});
    const samples: { at: number; bytes: number }[] = [];
    const ends = { client: city.client, server: city.server, address: SERVER_ADDRESS };
    const transfer = await this.#within(
      Transfer.start({
        ...ends,
        bytes: 1,
        rate: RATE,
        untilTold: true,
        watch: {
          everyMs: SAMPLE_MS,
          progress: ({ time, received }) => samples.push({ at: time, bytes: received }),
        },
      }),
    );
    await this.#within(transfer.reached(SETTLED_BYTES, TRANSFER_MS));
    // Only now: what TCP's bursts at its start push out of a gateway's queue is no matter of the fault's.
    const stream = await this.#within(Stream.start(ends));
    await this.#within(standbys);
    const { up, down } = transfer.arrived;
    await this.#within(transfer.reached(Math.min(up, down) + SETTLED_BYTES, TRANSFER_MS));
    const before = eventsOf(connection).length;
    this.#trial = this.#makeTrial(activeOf(connection));
    if (planned) {
      transfer.mark();
      await this.#within(pause(PLANNED_MS));
    }
    transfer.mark();
    const begun = wallClock();
    const injected = planOf(fault).inject(this.#trial);
    const { at, ...outcome } = await this.#within(
      this.#follow(connection, transfer, injected, before, begun),
    );
    transfer.finish();
    const directions = await this.#within(stream.finish());
    const ending = await this.#within(endOf(transfer, planned === true));
    const alarms = (events: readonly TimedEvent[]) =>
      events.filter(({ event }) => event === 'gateway-failed').length;
    const events = eventsOf(connection);
    // Without tunnels in reserve, to go elsewhere is to give the gateway up.
    const mayFail = moves && !(planned && standby);
    return {
      ...ending,
      ...outcome,
      survived: ending.survived && outcome.problem === undefined,
      ...summed([directions.up, directions.down]),
      falseAlarms: alarms(events.slice(0, before)) + (mayFail ? 0 : alarms(events.slice(before))),
      samples: samples.map(({ at: time, bytes }) => ({ ms: time - at, bytes })),
    };
  }

  /** Ends the connection and puts the city right, unless that is about to go. */
  async end(): Promise<void> {
    if (this.#context.signal.aborted) return;
    await this.#connection?.stop();
    if (this.#trial !== undefined) await planOf(this.#options.fault).repair(this.#trial);
  }

  /**
   * A connection through the preferred gateway: what the run before did to it is over then. A gateway that was repaired a moment ago
   * may refuse at first, and another be taken: then once more.
   */
  async #connect(): Promise<Connection> {
    const { city, configuration } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const connection = city.connect(configuration);
      this.#connection = connection;
      const { gateway } = await this.#within(connection.event('connected', { timeoutMs: READY_MS }));
      if (gateway === PREFERRED) return connection;
      if (attempt === CONNECT_ATTEMPTS) {
        throw new VpnrError('LAB_FAILED', `${PREFERRED} does not accept the client: it took ${gateway}`);
      }
      await this.#within(connection.stop());
    }
  }

  /** Waits until the connection has come through, or could have. */
  async #follow(
    connection: Connection,
    transfer: Transfer,
    injected: Promise<void>,
    before: number,
    begun: number,
  ): Promise<Course> {
    const { fault } = this.#options;
    injected.catch(() => {});
    const found: Finder = name =>
      eventsOf(connection)
        .slice(before)
        .find(({ event }) => event === name);
    const course = () => courseOf(found, begun, planOf(fault).planned === true);
    const { moves } = planOf(fault);
    // Nobody waits for this any more once the benchmark is to end, and the process is not to stay for it.
    const cameThrough = () => {
      this.#context.signal.throwIfAborted();
      return moves ? found('switched') : wallClock() - begun >= WATCH_MS || undefined;
    };
    try {
      await until(moves ? 'the traffic moves' : 'time passes', MOVE_MS, cameThrough);
      await injected;
      if (planOf(fault).planned) {
        await pause(begun + PLANNED_MS - wallClock());
        transfer.mark();
      }
      const { up, down } = transfer.arrived;
      await transfer.reached(Math.min(up, down) + SETTLED_BYTES, TRANSFER_MS);
    } catch (error) {
      return { ...course(), problem: firstLine(error) };
    }
    return course();
  }

  #makeTrial(active: GatewayName): Trial {
    const { city, restartRelay } = this.#options;
    return { city, active, restartRelay };
  }

  #within<T>(promise: Promise<T>): Promise<T> {
    return unlessAborted(this.#context, promise);
  }
}

type Finder = (name: ConnectionEvent['event']) => TimedEvent | undefined;

/** How it went on. `at`: when it happened, milliseconds since 1970. */
interface Course extends Pick<RunResult, 'detectMs' | 'switchMs' | 'problem'> {
  at: number;
}

/**
 * Detection is told by the client; the fault's time is the harness's: one clock. What is planned happens when the client is told, some time
 * after the command to tell it was started.
 */
function courseOf(found: Finder, begun: number, planned: boolean): Course {
  const switched = found('switched');
  const switchMs = switched?.event === 'switched' ? switched.ms : null;
  if (planned) {
    const at = switched === undefined ? begun : Date.parse(switched.time) - (switchMs ?? 0);
    return { at, detectMs: null, switchMs };
  }
  const noticed = found('gateway-failed') ?? found('stuck');
  const detectMs = noticed === undefined ? null : Math.max(0, Date.parse(noticed.time) - begun);
  return { at: begun, detectMs, switchMs };
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

/** Of a message: what follows are the last lines of processes. */
export function firstLine(error: unknown): string {
  return toVpnrError(error).message.split('\n')[0] as string;
}

function eventsOf(connection: Connection): TimedEvent[] {
  return connection.events as TimedEvent[];
}

/** The gateway that carries the traffic: after a false alarm it is another one than at first. */
function activeOf(connection: Connection): GatewayName {
  const last = eventsOf(connection).findLast(({ event }) => event === 'connected' || event === 'switched');
  return last !== undefined && 'gateway' in last ? (last.gateway as GatewayName) : PREFERRED;
}

async function standbysReady(connection: Connection): Promise<void> {
  const tunnels = () => connection.events.filter(({ event }) => event === 'tunnel-up').length;
  await until('tunnels to all gateways', READY_MS, () => tunnels() >= GATEWAY_NAMES.length || undefined);
  await until('tunnels to all gateways are up', READY_MS, async () => {
    const { gateways } = await connection.status();
    return gateways.every(({ roundTripMs }) => roundTripMs !== null) || undefined;
  });
}

/** `planned`: the transfer has the parts before a time in which nothing happened, that time, the move, and what came after it. */
async function endOf(
  transfer: Transfer,
  planned: boolean,
): Promise<Pick<RunResult, 'survived' | 'pauseMs' | 'usualPauseMs' | 'problem'>> {
  try {
    const { up, down } = await transfer.result(TRANSFER_MS);
    const longest = (part: number) => Math.max(up.pausesMs.at(part) ?? 0, down.pausesMs.at(part) ?? 0);
    return {
      survived: true,
      pauseMs: longest(planned ? 2 : -1),
      usualPauseMs: planned ? longest(1) : null,
    };
  } catch (error) {
    if (!(error instanceof VpnrError)) throw error;
    return { survived: false, pauseMs: null, usualPauseMs: null, problem: firstLine(error) };
  }
}

function summed(
  directions: readonly StreamDirection[],
): Pick<RunResult, 'lost' | 'duplicated' | 'reordered'> {
  const sum = (of: (direction: StreamDirection) => number) =>
    directions.reduce((total, direction) => total + of(direction), 0);
  return {
    lost: sum(each => each.lost),
    duplicated: sum(each => each.doubled),
    reordered: sum(each => each.reordered),
  };
}
