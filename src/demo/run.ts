/** The demonstration: a download through a gateway that fails in the middle. */
import type { ConnectionEvent } from '../client/events.js';
import { toVpnrError, VpnrError } from '../errors.js';
import { type Connection, injectFault, type Program, SERVER_ADDRESS, Transfer } from '../lab/index.js';
import { Recording } from './recording.js';
import type { DemoResult } from './result.js';
import {
  buildStage,
  DEMO_FAULTS,
  type DemoCity,
  type DemoFault,
  GATEWAY_NAMES,
  type GatewayKind,
  type GatewayName,
  PAPER_RECOVERY_MS,
  ROUND_TRIPS,
} from './stage.js';

export interface DemoOptions {
  fault: DemoFault;
  kind: GatewayKind;
  program: Program;
  /** One event of the connection as a line of text. */
  describe(event: ConnectionEvent): string;
  /** Shows the recording; called whenever it has grown. */
  show(recording: Recording): void;
}

/** From the start of the download to the fault, and from the recovery to the end. */
const BEFORE_MS = 4000;
const AFTER_MS = 4000;
/** That the client may take to find another gateway. */
const RECOVERY_MS = 12_000;
const CONNECT_MS = 10_000;
const END_MS = 5000;
/** Everything; then it is given up. */
const DEADLINE_MS = 28_000;
const SAMPLE_MS = 50;

/** Milliseconds since 1970, with a fraction: a clock that all processes of the machine share. */
const wallClock = () => performance.timeOrigin + performance.now();

/**
 * Plays it, and removes everything that it made. Throws LAB_FAILED where this machine cannot, and the signal's
 * reason when it is aborted.
 */
export async function runDemo(
  options: DemoOptions,
  stop: AbortSignal,
): Promise<{ result: DemoResult; recording: Recording }> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(DEADLINE_MS)]);
  const demo = new Demo(options, signal);
  try {
    return await demo.play();
  } catch (error) {
    if (stop.aborted || !signal.aborted) throw error;
    throw new VpnrError('LAB_FAILED', `the demonstration was not over within ${DEADLINE_MS / 1000} s`, {
      remedy: 'try it again while the machine has less to do',
    });
  } finally {
    demo.close();
  }
}

class Demo {
  readonly #options: DemoOptions;
  readonly #signal: AbortSignal;
  readonly #aborted: Promise<never>;
  readonly #recording = new Recording();
  readonly #started = wallClock();
  #city: DemoCity | undefined;
  /** When the client last said that a gateway had failed. */
  #noticedAt = 0;

  constructor(options: DemoOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#aborted = new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    this.#aborted.catch(() => {});
  }

  async play(): Promise<{ result: DemoResult; recording: Recording }> {
    const { fault, kind, program } = this.#options;
    const gateways = kind === 'vpnr' ? 'vpnr gateway' : 'strongSwan';
    this.#tell(`building client, three gateways (${gateways}), relay and server in network namespaces`);
    // Not cut short: what is half built could not be removed.
    const city = await buildStage(kind, program);
    this.#city = city;
    this.#signal.throwIfAborted();
    await this.#unlessAborted(city.startRelay());
    const connection = city.connect(this.#configuration(city));
    this.#follow(connection);
    const connected = await this.#unlessAborted(connection.event('connected', { timeoutMs: CONNECT_MS }));
    const transfer = await this.#unlessAborted(this.#download(city));
    this.#tell(`a TCP download begins, from ${SERVER_ADDRESS} to ${connected.address}`);
    await this.#pause(BEFORE_MS);
    const failing = connected.gateway as GatewayName;
    const outcome = await this.#fail(city, connection, failing);
    if (outcome.switchMs !== null) await this.#pause(AFTER_MS);
    const ending = await this.#finish(transfer);
    const taking = outcome.to;
    const result: DemoResult = {
      survived: ending.digestOk && taking !== null,
      fault,
      detectMs: outcome.detectMs,
      switchMs: outcome.switchMs,
      ...ending,
      address: connected.address,
      reason: outcome.reason,
      kind,
      gateways: GATEWAY_NAMES.map(name => ({
        name,
        state: name === failing ? 'failed' : name === taking ? 'active' : 'spare',
        roundTripMs: ROUND_TRIPS[name],
        bytes: Math.round(this.#recording.carriedBy(name)),
      })),
      paper: { recoveryMs: PAPER_RECOVERY_MS },
      totalMs: 0,
    };
    this.close();
    return { result: { ...result, totalMs: Math.round(this.#now()) }, recording: this.#recording };
  }

  close(): void {
    this.#city?.close();
    this.#city = undefined;
  }

  /** As a user would write it: three gateways in the order of preference, everything else as it comes. */
  #configuration(city: DemoCity) {
    const { failover: _, ...configuration } = city.clientConfiguration();
    return configuration;
  }

  #follow(connection: Connection): void {
    connection.process.onLine(line => {
      if (!line.startsWith('{')) return;
      const event = JSON.parse(line) as ConnectionEvent & { time: string };
      const ms = Date.parse(event.time) - this.#started;
      if (event.event === 'connected' || event.event === 'switched')
        this.#recording.carries(ms, event.gateway as GatewayName);
      if (event.event === 'gateway-failed') {
        this.#noticedAt = ms + this.#started;
        this.#recording.carries(ms, undefined);
      }
      this.#tell(this.#options.describe(event), event.event === 'switched' ? 'recovery' : 'event', ms);
    });
  }

  #download({ client, server }: DemoCity): Promise<Transfer> {
    const progress = ({ time, received }: { time: number; received: number }) => {
      this.#recording.sample(time - this.#started, received);
      this.#options.show(this.#recording);
    };
    return Transfer.start({
      client,
      server,
      address: SERVER_ADDRESS,
      bytes: 1,
      untilTold: true,
      downOnly: true,
      watch: { everyMs: SAMPLE_MS, progress },
    });
  }

  /** Injects the fault and waits until the client has recovered from it, or could have. */
  async #fail(city: DemoCity, connection: Connection, gateway: GatewayName) {
    const { fault } = this.#options;
    const at = wallClock();
    this.#recording.carries(at - this.#started, undefined);
    this.#tell(`${gateway} ${DEMO_FAULTS[fault]}`, 'fault', at - this.#started);
    await injectFault(city, gateway, fault);
    const deadline = wallClock() + RECOVERY_MS;
    const next = async <Name extends 'gateway-failed' | 'switched'>(name: Name) => {
      const timeoutMs = Math.max(1, deadline - wallClock());
      return this.#unlessAborted(connection.event(name, { timeoutMs })).catch(error => {
        if (this.#signal.aborted || toVpnrError(error).code !== 'LAB_FAILED') throw error;
        return undefined;
      });
    };
    const failed = await next('gateway-failed');
    const switched = failed === undefined ? undefined : await next('switched');
    return {
      detectMs: failed === undefined ? null : Math.round(Math.max(0, this.#noticedAt - at)),
      reason: failed?.reason ?? null,
      switchMs: switched?.ms ?? null,
      to: (switched?.gateway as GatewayName | undefined) ?? null,
    };
  }

  async #finish(transfer: Transfer) {
    transfer.finish();
    try {
      const { down } = await this.#unlessAborted(transfer.result(END_MS));
      const pauseMs = Math.round(down.longestPauseMs);
      return { pauseMs, bytes: down.bytes, digestOk: true, resets: 0, broken: null };
    } catch (error) {
      if (this.#signal.aborted) throw error;
      const broken = transfer.broken ?? null;
      const resets = broken === 'ECONNRESET' ? 1 : 0;
      return { pauseMs: null, bytes: transfer.arrived.down, digestOk: false, resets, broken };
    }
  }

  #tell(
    text: string,
    kind: 'preparation' | 'event' | 'fault' | 'recovery' = 'preparation',
    ms = this.#now(),
  ): void {
    this.#recording.moments.push({ ms, text, kind });
    this.#options.show(this.#recording);
  }

  #now(): number {
    return wallClock() - this.#started;
  }

  async #pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>(resolve => {
      timer = setTimeout(resolve, ms);
    });
    await this.#unlessAborted(over).finally(() => clearTimeout(timer));
  }

  #unlessAborted<T>(promise: Promise<T>): Promise<T> {
    promise.catch(() => {});
    return Promise.race([promise, this.#aborted]);
  }
}
