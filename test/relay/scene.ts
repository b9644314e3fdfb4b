/** A relay server on the loopback device, with a data plane that only takes notes, and clients of it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { RelayDataPlane, RelayEvents, RelaySession } from '../../src/dataplane/api.js';
import type { Offloads } from '../../src/dataplane/offloads.js';
import type { Endpoint } from '../../src/ike/api.js';
import type { RelayControlOptions, RelayGrant } from '../../src/relay/attempt.js';
import { RelayControl } from '../../src/relay/client.js';
import { RelayServer } from '../../src/relay/server.js';
import type { RelayEvent, RelayServerOptions } from '../../src/relay/server-api.js';
import { Secret } from '../../src/secret.js';
import { Roster } from '../../src/service/roster.js';
import { makeCertificates } from './certificates.js';

export const certificates = makeCertificates();
export const TOKEN = 'a token of client1';

/** Notes what it is told, and wipes keys as the real one does. */
export class FakeDataPlane implements RelayDataPlane {
  readonly sessions = new Map<number, { mode: string; lease: string; sendKey: string; receiveKey: string }>();
  readonly received = new Map<number, number>();
  installs = 0;
  drains = 0;
  /** What each session has received, as it is told at the end. */
  readonly states = new Map<number, Uint8Array>();
  events: RelayEvents | undefined;
  listen: Endpoint | undefined;
  stopped = false;

  async start({ listen }: { listen: Endpoint }, events: RelayEvents): Promise<{ local: Endpoint }> {
    this.listen = listen;
    this.events = events;
    return { local: listen };
  }

  installSession({ index, mode, lease, sendKey, receiveKey }: RelaySession): void {
    this.installs += 1;
    this.sessions.set(index, { mode, lease, sendKey: hexOf(sendKey), receiveKey: hexOf(receiveKey) });
    this.received.set(index, 0);
    sendKey.wipe();
    receiveKey.wipe();
  }

  removeSession(index: number): void {
    assert.ok(this.sessions.delete(index), 'a session is removed once, after it was installed');
  }

  drain(): void {
    this.drains += 1;
  }

  async activity(indices: readonly number[]): Promise<Map<number, { received: number; epoch: number }>> {
    return new Map(indices.map(index => [index, { received: this.received.get(index) ?? 0, epoch: 0 }]));
  }

  async halt(indices: readonly number[]): Promise<Map<number, Uint8Array>> {
    return new Map([...this.states].filter(([index]) => indices.includes(index)));
  }

  offloads(): Offloads {
    return { tcp: false, udp: false, send: false, receive: false };
  }

  counters(): Record<string, number> {
    return {};
  }

  async stop(): Promise<void> {
    this.stopped = true;
  }
}

export function hexOf(secret: Secret): string {
  return Buffer.from(secret.reveal()).toString('hex');
}

/** What a client says that goes on with a session and the keys it was given with it. */
export function resuming({ resume, keys }: RelayGrant): NonNullable<RelayControlOptions['resume']> {
  return { ...resume, keys: keys?.id };
}

export class Scene {
  readonly stateDirectory = mkdtempSync(join(tmpdir(), 'vpnr-relay-'));
  readonly events: RelayEvent[] = [];
  dataPlane = new FakeDataPlane();
  /** Monotonic and wall clock; the wall clock is ahead. */
  time = 1_000_000;
  wallAhead = 1_700_000_000_000;
  #server: RelayServer | undefined;
  readonly #controls: RelayControl[] = [];

  get server(): RelayServer {
    assert.ok(this.#server);
    return this.#server as RelayServer;
  }

  async start(options: Partial<RelayServerOptions> = {}): Promise<RelayServer> {
    this.dataPlane = new FakeDataPlane();
    this.#server = await RelayServer.start({
      listen: { address: '127.0.0.1', port: 0 },
      pool: '10.30.200.0/29',
      ...certificates.relay,
      clients: new Roster([
        ['client1', Secret.fromText(TOKEN)],
        ['client2', Secret.fromText('a token of client2')],
      ]),
      stateDirectory: this.stateDirectory,
      ipip: false,
      dataPlane: this.dataPlane,
      tun: { fd: -1 },
      maxSegment: 1300,
      onEvent: event => this.events.push(event),
      clock: { now: () => this.time, wallClock: () => this.wallAhead + this.time },
      ...options,
    });
    return this.#server;
  }

  /** Ends the relay, and starts it again from its state. */
  async restart(options: Partial<RelayServerOptions> = {}): Promise<RelayServer> {
    await this.server.stop();
    return this.start(options);
  }

  /** What a client gives to `RelayControl.connect`. */
  clientOptions(options: Partial<RelayControlOptions> = {}): RelayControlOptions {
    return {
      relay: { address: '127.0.0.1', port: this.server.port },
      trust: { fingerprint: this.server.fingerprint },
      name: 'client1',
      token: Secret.fromText(TOKEN),
      mode: 'clear',
      onLost: () => {},
      onDrain: () => {},
      ...options,
    };
  }

  async connect(options: Partial<RelayControlOptions> = {}): Promise<RelayControl> {
    const control = await RelayControl.connect(this.clientOptions(options));
    this.#controls.push(control);
    return control;
  }

  /** Resolves once an event of this type has come, now or later. */
  async event<T extends RelayEvent['type']>(type: T): Promise<Extract<RelayEvent, { type: T }>> {
    let found: RelayEvent | undefined;
    await until(() => {
      found = this.events.find(event => event.type === type);
      return found !== undefined;
    });
    return found as Extract<RelayEvent, { type: T }>;
  }

  async end(): Promise<void> {
    for (const control of this.#controls) control.drop();
    await this.#server?.stop();
    rmSync(this.stateDirectory, { recursive: true, force: true });
  }
}

/** Waits for a condition; the runner's own time limit ends a wait in vain. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 1));
}

export function scene(name: string, body: (scene: Scene) => Promise<void>): void {
  test(name, async () => {
    const it = new Scene();
    try {
      await body(it);
    } finally {
      await it.end();
    }
  });
}

export interface Failure {
  code: string;
  message: string;
  remedy?: string;
}

/** The error that the promise must be rejected with. */
export async function failure(promise: Promise<unknown>, code: string): Promise<Failure> {
  const error = (await promise.then(
    () => assert.unreachable(`should have failed with ${code}`),
    (reason: unknown) => reason,
  )) as Failure;
  assert.is(error.code, code, error.message);
  return error;
}
