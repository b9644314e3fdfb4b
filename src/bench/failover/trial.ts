/** One run: a connection carries a TCP transfer and a stream of datagrams, and something happens. */
import type { ConnectionEvent } from '../../client/events.js';
import type { DemoCity, GatewayName } from '../../demo/stage.js';
import { toVpnrError, VpnrError } from '../../errors.js';
import {
  type Connection,
  type Program,
  SERVER_ADDRESS,
  Stream,
  type StreamDirection,
  Transfer,
  until,
} from '../../lab/index.js';
import { type BenchContext, unlessAborted } from '../context.js';
import { type FaultName, planOf, type Trial } from './faults.js';

/** Bytes a second in each direction: the lines carry 12,500,000. */
const RATE = 6_000_000;
const SETTLED_BYTES = 3_000_000;
const READY_MS = 20_000;
const TRANSFER_MS = 60_000;
/** How long what does not make the traffic move is watched. */
const WATCH_MS = 3000;

export interface RunResult {
  /** The TCP connection lived on, and what arrived is what was sent. */
  survived: boolean;
  /** From the fault until the client knew of it; null where it had not to. */
  detectMs: number | null;
  /** From then on (or from the beginning of the switch) until the new path had proved itself. */
  switchMs: number | null;
  /** The longest time in which nothing arrived of TCP, in either direction. */
  pauseMs: number | null;
  /** Of the datagrams, both directions together. */
  lost: number;
  duplicated: number;
  reordered: number;
  /** Gateways that were given up though there was no fault that kept them from working. */
  falseAlarms: number;
  /** Bytes received so far, every SAMPLE_MS, with the time since the fault: of the download. */
  samples: { ms: number; bytes: number }[];
  problem?: string;
}

export interface RunOptions {
  city: DemoCity;
  program: Program;
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
    const { city, fault } = this.#options;
    const connection = city.connect(this.#options.configuration);
    this.#connection = connection;
    const { gateway } = await this.#within(connection.event('connected', { timeoutMs: READY_MS }));
    if (this.#options.standby) await this.#within(standbysReady(connection));
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
    const stream = await this.#within(Stream.start(ends));
    await this.#within(transfer.reached(SETTLED_BYTES, TRANSFER_MS));
    transfer.mark();
    const before = eventsOf(connection).length;
    this.#trial = this.#makeTrial(gateway as GatewayName);
    const at = wallClock();
    const injected = planOf(fault).inject(this.#trial);
    const outcome = await this.#within(this.#follow(connection, transfer, injected, before, at));
    transfer.finish();
    const directions = await this.#within(stream.finish());
    const ending = await this.#within(endOf(transfer));
    const events = eventsOf(connection).slice(before);
    return {
      ...ending,
      ...outcome,
      detectMs: planOf(fault).planned ? null : outcome.detectMs,
      survived: ending.survived && outcome.problem === undefined,
      ...summed([directions.up, directions.down]),
      falseAlarms: planOf(fault).moves ? 0 : events.filter(({ event }) => event === 'gateway-failed').length,
      samples: samples.map(({ at: time, bytes }) => ({ ms: time - at, bytes })),
    };
  }

  /** Ends the connection and puts the city right. */
  async end(): Promise<void> {
    await this.#connection?.stop();
    if (this.#trial !== undefined) await planOf(this.#options.fault).repair(this.#trial);
  }

  /** Waits until the connection has come through, or could have. */
  async #follow(
    connection: Connection,
    transfer: Transfer,
    injected: Promise<void>,
    before: number,
    at: number,
  ): Promise<Pick<RunResult, 'detectMs' | 'switchMs' | 'problem'>> {
    const { fault } = this.#options;
    injected.catch(() => {});
    const found = (name: ConnectionEvent['event']) =>
      eventsOf(connection)
        .slice(before)
        .find(({ event }) => event === name);
    try {
      if (planOf(fault).moves) await until('the traffic moves', TRANSFER_MS, () => found('switched'));
      else await until('time passes', 2 * WATCH_MS, () => (wallClock() - at >= WATCH_MS ? true : undefined));
      await injected;
      const { up, down } = transfer.arrived;
      await transfer.reached(Math.min(up, down) + SETTLED_BYTES, TRANSFER_MS);
    } catch (error) {
      return { ...timesOf(found, at), problem: toVpnrError(error).message };
    }
    return timesOf(found, at);
  }

  #makeTrial(active: GatewayName): Trial {
    const { city, program, restartRelay } = this.#options;
    return {
      city,
      active,
      restartRelay,
      vpnr: async (host, ...args) => {
        await city.lab.host(host).run([...program, ...args], { timeoutMs: TRANSFER_MS });
      },
    };
  }

  #within<T>(promise: Promise<T>): Promise<T> {
    return unlessAborted(this.#context, promise);
  }
}

/** Detection is told by the client; the fault's time is the harness's: one clock. */
function timesOf(
  found: (name: ConnectionEvent['event']) => TimedEvent | undefined,
  at: number,
): Pick<RunResult, 'detectMs' | 'switchMs'> {
  const noticed = found('gateway-failed') ?? found('stuck');
  const switched = found('switched');
  return {
    detectMs: noticed === undefined ? null : Math.max(0, Date.parse(noticed.time) - at),
    switchMs: switched?.event === 'switched' ? switched.ms : null,
  };
}

function eventsOf(connection: Connection): TimedEvent[] {
  return connection.events as TimedEvent[];
}

async function standbysReady(connection: Connection): Promise<void> {
  await until('tunnels to all gateways are up', READY_MS, async () => {
    const { gateways } = await connection.status();
    return gateways.every(({ roundTripMs }) => roundTripMs !== null) || undefined;
  });
}

async function endOf(transfer: Transfer): Promise<Pick<RunResult, 'survived' | 'pauseMs' | 'problem'>> {
  try {
    const { up, down } = await transfer.result(TRANSFER_MS);
    return { survived: true, pauseMs: Math.max(up.longestPauseMs, down.longestPauseMs) };
  } catch (error) {
    if (!(error instanceof VpnrError)) throw error;
    return { survived: false, pauseMs: null, problem: error.message };
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
