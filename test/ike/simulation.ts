// Two sessions, or more, on a simulated network: one clock, one seed, and every datagram may be lost, doubled or late.
import * as assert from 'uvu/assert';
import type {
  ChildSa,
  Endpoint,
  IkeEnvironment,
  IkeOutput,
  IkeSession,
  InitiatorOptions,
  ResponderOptions,
} from '../../src/ike/api.js';
import { createInitiator } from '../../src/ike/initiator.js';
import { isResponse } from '../../src/ike/message.js';
import { createResponder } from '../../src/ike/responder.js';
import { Secret } from '../../src/secret.js';
import { toHex } from './support.js';

/** A small generator of good enough randomness (mulberry32), the same for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  bytes(size: number): Uint8Array {
    return Uint8Array.from({ length: size }, () => this.below(256));
  }
}

export interface Faults {
  /** Probabilities. */
  loss: number;
  doubling: number;
  /** Milliseconds on the way, evenly between the two: what is sent later may arrive earlier. */
  minDelay: number;
  maxDelay: number;
}

/** Between two ESP packets of one end. */
const TRAFFIC_MS = 25;

export const CALM: Faults = { loss: 0, doubling: 0, minDelay: 5, maxDelay: 5 };

/** Keys of an installed child, for comparison. */
interface Installed {
  outboundSpi: number;
  inboundKey: string;
  outboundKey: string;
}

interface EspPacket {
  spi: number;
  key: string;
}

/** One end: a session, and what its outputs made of the data plane. */
export class End {
  readonly name: string;
  readonly session: IkeSession;
  readonly installed = new Map<number, Installed>();
  /** Inbound SPI of the child that is sent on. */
  sending: number | undefined;
  readonly outputs: IkeOutput[] = [];
  /** SPIs that were allocated and neither given back nor handed out as a child. */
  readonly reserved = new Set<number>();
  readonly sent: Uint8Array[] = [];
  peer: End | undefined;
  /** Where it receives; what goes elsewhere is lost. */
  at: Endpoint;
  /** As the other end sees it, through a NAT. What goes to `at` then is lost. */
  seenAt: Endpoint | undefined;
  /** Where its requests go. */
  remote: Endpoint;

  constructor(
    name: string,
    random: Random,
    make: (env: IkeEnvironment) => IkeSession,
    [at, remote]: [Endpoint, Endpoint] = [LOCAL, REMOTE],
  ) {
    this.name = name;
    this.at = at;
    this.remote = remote;
    this.session = make({
      random: size => random.bytes(size),
      allocateSpi: () => {
        const spi = 256 + random.below(2 ** 32 - 256);
        this.reserved.add(spi);
        return spi;
      },
      releaseSpi: spi => {
        assert.ok(this.reserved.delete(spi), `${this.name}: releases SPI ${spi} that it does not hold`);
      },
    });
  }

  of<T extends IkeOutput['type']>(type: T): Extract<IkeOutput, { type: T }>[] {
    return this.outputs.filter((output): output is Extract<IkeOutput, { type: T }> => output.type === type);
  }

  get closed(): Extract<IkeOutput, { type: 'closed' }> | undefined {
    return this.of('closed')[0];
  }

  up(child: ChildSa, receiveOnly: boolean): void {
    assert.ok(
      this.reserved.delete(child.inboundSpi),
      `${this.name}: a child with an SPI that is not its own`,
    );
    assert.not(this.installed.has(child.inboundSpi));
    this.installed.set(child.inboundSpi, {
      outboundSpi: child.outboundSpi,
      inboundKey: toHex(child.inboundKey.reveal()),
      outboundKey: toHex(child.outboundKey.reveal()),
    });
    if (!receiveOnly) this.sending = child.inboundSpi;
  }

  send(inboundSpi: number): void {
    assert.ok(this.installed.has(inboundSpi), `${this.name}: sends on a child that is down`);
    this.sending = inboundSpi;
  }

  down(inboundSpi: number): void {
    assert.ok(this.installed.delete(inboundSpi), `${this.name}: a child goes down that is not up`);
    if (this.sending === inboundSpi) this.sending = undefined;
  }
}

type Event = { at: number; to: End } & (
  | { type: 'ike'; datagram: Uint8Array; source: Endpoint; destination: Endpoint }
  | { type: 'esp'; packet: EspPacket; from: End }
);

function nameOf({ address, port }: Endpoint): string {
  return `${address} ${port}`;
}

export class Simulation {
  now = 1000;
  readonly random: Random;
  faults: Faults;
  /** Sees each IKE datagram; gives what is to be delivered instead. */
  tap: ((from: End, datagram: Uint8Array) => Uint8Array[]) | undefined;
  /** ESP packets that arrived where they could be opened. */
  espReceived = 0;
  #events: Event[] = [];
  #trafficAt = 0;
  /** Where the request came from that is being answered. */
  #answering: Endpoint | undefined;

  constructor(seed: number, faults: Faults = CALM) {
    this.random = new Random(seed);
    this.faults = faults;
  }

  /** Joins two ends. */
  join(a: End, b: End): void {
    a.peer = b;
    b.peer = a;
  }

  /** Calls a session and carries its outputs out. */
  call(end: End, action: (session: IkeSession, now: number) => IkeOutput[]): IkeOutput[] {
    const outputs = action(end.session, this.now);
    for (const output of outputs) {
      end.outputs.push(output);
      if (output.type === 'peer-moved') end.remote = output.remote;
      if (output.type === 'send') this.#transmit(end, output.datagram);
      else if (output.type === 'child-up') end.up(output.child, output.receiveOnly === true);
      else if (output.type === 'child-send') end.send(output.inboundSpi);
      else if (output.type === 'child-down') end.down(output.inboundSpi);
      else if (output.type === 'closed') {
        assert.is(output, outputs.at(-1), 'an output after closed');
        end.installed.clear();
        end.sending = undefined;
        assert.is(end.reserved.size, 0, `${end.name}: SPIs left over`);
      }
    }
    return outputs;
  }

  /** Delivers a datagram of nobody in particular. */
  inject(to: End, datagram: Uint8Array): IkeOutput[] {
    return this.call(to, (session, now) => session.receive(datagram, now, to.remote));
  }

  /** An ESP packet from each of the ends, unless that was just now. */
  traffic(ends: readonly End[]): void {
    if (this.now < this.#trafficAt) return;
    this.#trafficAt = this.now + TRAFFIC_MS;
    for (const end of ends) this.#sendEsp(end);
  }

  /** Sends an ESP packet on the child in use. It arrives, after a delay, or the test fails. */
  #sendEsp(from: End): void {
    const child = from.sending === undefined ? undefined : from.installed.get(from.sending);
    if (child === undefined || from.peer === undefined) return;
    const packet = { spi: child.outboundSpi, key: child.outboundKey };
    this.#schedule({ type: 'esp', packet, from, to: from.peer });
  }

  /** Runs until `done`, or to the time `until`. Gives whether it was done. */
  run(ends: readonly End[], until: number, done: () => boolean = () => false, each?: () => void): boolean {
    while (!done()) {
      const timers = ends.map(end => end.session.nextTimer() ?? Number.POSITIVE_INFINITY);
      const next = Math.min(this.#events[0]?.at ?? Number.POSITIVE_INFINITY, ...timers);
      if (next > until) {
        this.now = Math.max(this.now, until);
        return done();
      }
      this.now = Math.max(this.now, next);
      const event = this.#events[0];
      if (event !== undefined && event.at <= this.now) {
        this.#events.shift();
        this.#deliver(event);
      } else {
        for (const end of ends) {
          const timer = end.session.nextTimer();
          if (timer !== undefined && timer <= this.now) this.#tick(end);
        }
      }
      each?.();
    }
    return true;
  }

  #tick(end: End): void {
    this.call(end, (session, now) => session.tick(now));
    const timer = end.session.nextTimer();
    assert.ok(timer === undefined || timer > this.now, `${end.name}: its timer stays due`);
  }

  #transmit(from: End, datagram: Uint8Array): void {
    from.sent.push(datagram.slice());
    const to = from.peer;
    if (to === undefined) return;
    const source = from.seenAt ?? from.at;
    const destination = (isResponse(datagram) ? this.#answering : undefined) ?? from.remote;
    for (const one of this.tap?.(from, datagram) ?? [datagram]) {
      const copies = this.random.next() < this.faults.doubling ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        if (this.random.next() >= this.faults.loss)
          this.#schedule({ type: 'ike', datagram: one.slice(), to, source, destination });
      }
    }
  }

  #schedule(event: Event extends infer E ? (E extends Event ? Omit<E, 'at'> : never) : never): void {
    const { minDelay, maxDelay } = this.faults;
    const at = this.now + minDelay + this.random.next() * (maxDelay - minDelay);
    let place = this.#events.length;
    while (place > 0 && (this.#events[place - 1] as Event).at > at) place -= 1;
    this.#events.splice(place, 0, { ...event, at } as Event);
  }

  #deliver(event: Event): void {
    if (event.type === 'ike') {
      const { to, datagram, source, destination } = event;
      if (nameOf(destination) !== nameOf(to.seenAt ?? to.at)) return;
      this.#answering = source;
      this.call(to, (session, now) => session.receive(datagram, now, source));
      this.#answering = undefined;
      return;
    }
    // After the end of either session there is nothing left to be continuous.
    if (event.to.closed !== undefined || event.from.closed !== undefined) return;
    const child = event.to.installed.get(event.packet.spi);
    assert.ok(
      child !== undefined,
      `${event.to.name}: an ESP packet for SPI ${event.packet.spi}, which is not up`,
    );
    assert.is(child?.inboundKey, event.packet.key, `${event.to.name}: an ESP packet under another key`);
    this.espReceived += 1;
  }
}

export const LOCAL = { address: '192.0.2.1', port: 4500 };
export const REMOTE = { address: '198.51.100.1', port: 4500 };

export function initiatorOptions(more: Partial<InitiatorOptions> = {}): InitiatorOptions {
  return {
    identity: 'client1',
    peerIdentity: 'tokyo.example.net',
    psk: Secret.fromText('a shared secret'),
    ike: [{ encryption: 'chacha20poly1305', prf: 'prfsha256', group: 'x25519' }],
    esp: ['chacha20poly1305', 'aes256gcm16'],
    lifetimes: { ikeMs: 4 * 3600_000, childMs: 3600_000 },
    local: LOCAL,
    remote: REMOTE,
    ...more,
  };
}

export function responderOptions(more: Partial<ResponderOptions> = {}): ResponderOptions {
  return {
    identity: 'tokyo.example.net',
    psk: identity => (identity === 'client1' ? Secret.fromText('a shared secret') : undefined),
    assign: (_identity, wanted) => ({
      addresses: [wanted ?? '10.61.0.7'],
      dns: ['10.20.0.53'],
      domains: [],
      subnets: ['10.20.0.0/16'],
    }),
    release: () => {},
    networks: ['10.20.0.0/16'],
    ike: [{ encryption: 'chacha20poly1305', prf: 'prfsha256', group: 'x25519' }],
    esp: ['chacha20poly1305', 'aes256gcm16'],
    lifetimes: { ikeMs: 5 * 3600_000, childMs: 2 * 3600_000 },
    local: REMOTE,
    remote: LOCAL,
    ...more,
  };
}

/** An initiator and a responder, joined but not started. */
export function pair(
  simulation: Simulation,
  initiator: Partial<InitiatorOptions> = {},
  responder: Partial<ResponderOptions> = {},
): { client: End; gateway: End } {
  const { random } = simulation;
  const client = new End('client', random, env => createInitiator(initiatorOptions(initiator), env));
  const respond = (env: IkeEnvironment) => createResponder(responderOptions(responder), env);
  const gateway = new End('gateway', random, respond, [REMOTE, LOCAL]);
  simulation.join(client, gateway);
  return { client, gateway };
}

export function start(simulation: Simulation, client: End): void {
  simulation.call(client, (session, now) => session.start(now));
}

/** A pair that is established, on a calm network. */
export function connected(
  simulation: Simulation,
  initiator: Partial<InitiatorOptions> = {},
  responder: Partial<ResponderOptions> = {},
): { client: End; gateway: End } {
  const ends = pair(simulation, initiator, responder);
  start(simulation, ends.client);
  const both = () =>
    ends.client.session.state === 'established' && ends.gateway.session.state === 'established';
  assert.ok(simulation.run([ends.client, ends.gateway], simulation.now + 10_000, both), 'no connection');
  return ends;
}

/** Both ends hold the same children with the same keys, crosswise, and each sends on one of them. */
export function assertSame(a: End, b: End): void {
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    assert.ok(one.sending !== undefined, `${one.name}: sends on nothing`);
    for (const [inboundSpi, child] of one.installed) {
      const mirror = other.installed.get(child.outboundSpi);
      assert.ok(mirror, `${other.name}: lacks the child ${inboundSpi} of ${one.name}`);
      assert.is(mirror?.outboundSpi, inboundSpi);
      assert.is(mirror?.outboundKey, child.inboundKey);
      assert.is(mirror?.inboundKey, child.outboundKey);
    }
  }
}
