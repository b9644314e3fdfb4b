/**
 * A world for the failover policy to live in: gateways, the lines before and behind them and a relay, each of which may
 * lose, delay or stop; with a clock that jumps from event to event.
 */
import { failoverOptions } from '../../src/client/timing.js';
import { clientSchema } from '../../src/config/client.js';
import type { FailoverAction, FailoverOptions } from '../../src/failover/actions.js';
import { Failover } from '../../src/failover/machine.js';
import { generator } from '../support/random.js';

/** What a configuration without a word about failover gives. */
export const { timing: TIMING } = failoverOptions(
  clientSchema.parse({
    name: 'work',
    identity: 'client1',
    gateways: [{ name: 'tokyo', address: '198.51.100.10', identity: 'tokyo', auth: { psk: { env: 'PSK' } } }],
    relay: { address: '10.20.0.100', fingerprint: `sha256:${'00'.repeat(32)}`, token: { env: 'TOKEN' } },
  }),
);

/** One direction of a gateway's way to the relay, or of the line to the gateway only. */
export interface Direction {
  /** One way, in milliseconds. */
  delayMs: number;
  /** Evenly spread, plus and minus this share of the delay. */
  jitter: number;
  /** Share of lost packets; 1 is a dead direction. */
  loss: number;
}

export interface Place {
  out: Direction;
  back: Direction;
  /** The gateway's program runs. Its tunnels are lost when it stops. */
  gateway: boolean;
  /** The line behind the gateway carries packets. */
  line: boolean;
}

export interface WorldOptions {
  /** Round trip of each gateway's path. */
  roundTripMs: readonly number[];
  seed: number;
  options?: Partial<FailoverOptions>;
  jitter?: number;
  loss?: number;
  /** Data flows both ways all the time. */
  traffic?: boolean;
}

export interface Move {
  at: number;
  gateway: number;
  cause: string;
}

const IKE_RETRY_MS = 300;
/** Of a control connection to the relay that does not come about. */
const CONTROL_TIMEOUT_MS = 4000;
/** Until it is known that a gateway answers strangers, but not us. */
const FORGOTTEN_MS = 800;
const TRAFFIC_EVERY_MS = 50;

export class World {
  now = 0;
  relay = true;
  /** The relay that runs knows of us: one that was started again learns it from a control connection over the active path. */
  #known = true;
  #rebinding = false;
  /** Of the last move. */
  epoch = 0;
  /** Until then no path is blamed for the relay's silence. */
  excusedUntil = 0;
  /** Our own connection to the network. */
  network = true;
  traffic: boolean;
  readonly places: Place[];
  readonly policy: Failover;
  readonly random: () => number;
  readonly moves: Move[] = [];
  readonly said: { at: number; action: FailoverAction }[] = [];
  /** Probes sent over each gateway's path, and times that the policy was woken by its own timer. */
  readonly probes: number[];
  wakeUps = 0;
  /** Called after every step. */
  watch: () => void = () => {};
  second: number | undefined;
  readonly #queue: { at: number; order: number; run: () => void }[] = [];
  #order = 0;
  /** Counts each gateway's tunnels, so that what belongs to an earlier one is recognised; 0: none. */
  readonly #tunnels: { serial: number; up: boolean; known: boolean }[];
  #serial = 0;
  readonly #sent: number[];
  readonly #received: number[];
  /** What answers probes and data. */
  readonly #end: 'gateway' | 'relay';
  /** The clock of the policy does not run until then: what happens meanwhile is told afterwards, timers first. */
  #stalledUntil = 0;
  #backlog: (() => void)[] = [];

  constructor({ roundTripMs, seed, options, jitter = 0, loss = 0, traffic = true }: WorldOptions) {
    this.random = generator(seed);
    this.traffic = traffic;
    this.#end = options?.relay === false ? 'gateway' : 'relay';
    const direction = (ms: number): Direction => ({ delayMs: ms / 2, jitter, loss });
    this.places = roundTripMs.map(ms => ({
      out: direction(ms),
      back: direction(ms),
      gateway: true,
      line: true,
    }));
    this.#tunnels = roundTripMs.map(() => ({ serial: 0, up: false, known: false }));
    this.probes = roundTripMs.map(() => 0);
    this.#sent = roundTripMs.map(() => 0);
    this.#received = roundTripMs.map(() => 0);
    this.policy = new Failover(
      {
        gateways: roundTripMs.length,
        mode: 'standby',
        relay: true,
        prefer: 'order',
        timing: TIMING,
        ...options,
      },
      this.random,
    );
  }

  start(): void {
    this.#carryOut(this.policy.start(this.now));
    this.#moveTraffic();
    if (this.#end === 'relay') this.#bindRelay();
  }

  place(gateway: number): Place {
    const place = this.places[gateway];
    if (place === undefined) throw new Error(`no gateway ${gateway}`);
    return place;
  }

  /** Stops a gateway's program: its tunnels are forgotten. */
  stop(gateway: number): void {
    this.place(gateway).gateway = false;
    const tunnel = this.#tunnels[gateway];
    if (tunnel !== undefined) tunnel.known = false;
  }

  /** The gateway's program runs (again), without the tunnels of before. */
  startAgain(gateway: number): void {
    this.place(gateway).gateway = true;
  }

  /** The interface that these paths leave by loses its carrier, which is known at once. */
  unplug(gateways: readonly number[]): void {
    for (const { out, back } of gateways.map(gateway => this.place(gateway))) out.loss = back.loss = 1;
    this.tell((policy, now) => policy.linkDown(gateways, now));
  }

  /** It has one again, which is known, too. */
  plugIn(gateways: readonly number[]): void {
    for (const { out, back } of gateways.map(gateway => this.place(gateway))) out.loss = back.loss = 0;
    this.tell((policy, now) => policy.refresh(now));
  }

  /** The relay ends, and says so; started again, it has to be told of us. */
  endRelay(): void {
    this.relay = false;
    this.#known = false;
    if (!this.#rebinding) this.#rebind();
    this.excusedUntil = this.now + TIMING.relayGraceMs;
    this.tell((policy, now) => policy.relayAway(now));
  }

  /** The relay knows of us. */
  get known(): boolean {
    return this.#known;
  }

  /** The policy's process does not run at present. */
  get stalled(): boolean {
    return this.now < this.#stalledUntil;
  }

  /** Whether a packet comes through to what answers and back, but for chance. */
  works(gateway: number): boolean {
    const { out, back, gateway: runs, line } = this.place(gateway);
    const behind = this.#end === 'gateway' || (this.relay && line);
    return this.network && runs && behind && out.loss < 1 && back.loss < 1;
  }

  /** It works, and there is a tunnel that the gateway knows. */
  connected(gateway: number): boolean {
    const tunnel = this.#tunnels[gateway];
    return this.works(gateway) && tunnel?.up === true && tunnel.known;
  }

  at(ms: number, run: () => void): void {
    this.#queue.push({ at: ms, order: this.#order++, run });
    this.#sift(this.#queue.length - 1);
  }

  tell(act: (policy: Failover, now: number) => FailoverAction[]): void {
    this.#carryOut(act(this.policy, this.now));
  }

  /** The policy's process does not run for so long. */
  stall(ms: number): void {
    this.#stalledUntil = this.now + ms;
  }

  run(until: number): void {
    for (;;) {
      const event = this.#queue[0];
      const due = this.policy.nextTimer();
      // As Node does, whole milliseconds and never early.
      const timer = Math.max(
        due === undefined ? Number.POSITIVE_INFINITY : Math.ceil(due),
        this.#stalledUntil,
        this.now,
      );
      const next = Math.min(event?.at ?? Number.POSITIVE_INFINITY, timer);
      if (next > until) break;
      this.now = next;
      if (timer <= next) {
        this.wakeUps++;
        this.#carryOut(this.policy.tick(this.now));
        for (const run of this.#backlog.splice(0)) run();
      } else {
        this.#shift();
        event?.run();
      }
      this.watch();
    }
    this.now = until;
  }

  saidOf(type: FailoverAction['type']): { at: number; action: FailoverAction }[] {
    return this.said.filter(({ action }) => action.type === type);
  }

  // --- What becomes of the policy's wishes

  #carryOut(actions: readonly FailoverAction[]): void {
    for (const action of actions) {
      switch (action.type) {
        case 'connect':
          this.#connect(action.gateway);
          break;
        case 'disconnect':
          this.#tunnels[action.gateway] = { serial: 0, up: false, known: false };
          break;
        case 'probe':
          this.#probe(action.gateway, action.id);
          break;
        case 'check-gateway':
          this.#check(action.gateway);
          break;
        case 'activate':
          this.moves.push({ at: this.now, gateway: action.gateway, cause: action.cause });
          this.epoch = action.epoch;
          break;
        case 'second':
          this.second = action.gateway;
          break;
        default:
          this.said.push({ at: this.now, action });
      }
    }
  }

  /** Tells the policy, now or when its process runs again. */
  #hear(act: (now: number) => FailoverAction[]): void {
    if (this.now < this.#stalledUntil) this.#backlog.push(() => this.#carryOut(act(this.now)));
    else this.#carryOut(act(this.now));
  }

  #connect(gateway: number): void {
    const serial = ++this.#serial;
    this.#tunnels[gateway] = { serial, up: false, known: false };
    const attempt = () => {
      const tunnel = this.#tunnels[gateway];
      if (tunnel?.serial !== serial || tunnel.up) return;
      // Two exchanges: four messages on the line.
      const way = this.#delay(gateway, 'out', 'gateway');
      const rest = this.#delay(gateway, 'back', 'gateway');
      if (way === undefined || rest === undefined) {
        this.at(this.now + IKE_RETRY_MS, attempt);
        return;
      }
      this.at(this.now + 2 * (way + rest) + 5, () => {
        const then = this.#tunnels[gateway];
        if (then?.serial !== serial) return;
        if (!this.place(gateway).gateway || !this.network) {
          attempt();
          return;
        }
        then.up = true;
        then.known = true;
        this.#hear(now => this.policy.connected(gateway, now));
      });
    };
    attempt();
  }

  #probe(gateway: number, id: number): void {
    this.probes[gateway] = (this.probes[gateway] ?? 0) + 1;
    const { serial } = this.#tunnels[gateway] ?? {};
    const sentAt = this.now;
    const out = this.#delay(gateway, 'out', this.#end);
    if (out === undefined) return;
    this.at(sentAt + out, () => {
      const back = this.#delay(gateway, 'back', this.#end);
      if (back === undefined || this.#tunnels[gateway]?.known !== true) return;
      this.at(this.now + back, () => {
        if (this.#tunnels[gateway]?.serial !== serial || !this.network) return;
        const roundTrip = this.now - sentAt;
        this.#hear(now => this.policy.probeReply(gateway, id, roundTrip, now));
      });
    });
  }

  #check(gateway: number): void {
    const { serial } = this.#tunnels[gateway] ?? {};
    const attempt = () => {
      if (this.#tunnels[gateway]?.serial !== serial) return;
      const out = this.#delay(gateway, 'out', 'gateway');
      const back = this.#delay(gateway, 'back', 'gateway');
      if (out === undefined || back === undefined) {
        this.at(this.now + IKE_RETRY_MS, attempt);
        return;
      }
      if (this.#tunnels[gateway]?.known !== true) {
        this.at(this.now + FORGOTTEN_MS, () => {
          if (this.#tunnels[gateway]?.serial === serial && this.place(gateway).gateway)
            this.#hear(now => this.policy.forgotten(gateway, now));
        });
        this.at(this.now + IKE_RETRY_MS, attempt);
        return;
      }
      this.at(this.now + out + back, () => {
        if (this.#tunnels[gateway]?.serial === serial)
          this.#hear(now => this.policy.gatewayAlive(gateway, now));
      });
    };
    attempt();
  }

  /** The session with the relay begins when the first path works. */
  #bindRelay(): void {
    const { active } = this.policy;
    if (active === undefined || !this.connected(active)) {
      this.at(this.now + 10, () => this.#bindRelay());
      return;
    }
    const { out, back } = this.place(active);
    this.at(this.now + 3 * (out.delayMs + back.delayMs), () =>
      this.#hear(now => this.policy.relayBound(now)),
    );
  }

  /** Tells a relay that was started again of us. */
  #rebind(): void {
    const { active } = this.policy;
    this.#rebinding = true;
    if (!this.relay || active === undefined) {
      this.at(this.now + 100, () => this.#rebind());
      return;
    }
    if (!this.connected(active)) {
      this.at(this.now + CONTROL_TIMEOUT_MS, () => {
        this.#hear(now => this.policy.relayUnreachable(active, now));
        this.#rebind();
      });
      return;
    }
    const { out, back } = this.place(active);
    this.at(this.now + 3 * (out.delayMs + back.delayMs), () => {
      if (!this.connected(active) || this.policy.active !== active) {
        this.#rebind();
        return;
      }
      this.#rebinding = false;
      this.#known = true;
      this.#hear(now => this.policy.relayBack(now));
    });
  }

  /** Data both ways over the active path. */
  #moveTraffic(): void {
    this.at(this.now + TRAFFIC_EVERY_MS, () => this.#moveTraffic());
    const { active } = this.policy;
    if (!this.traffic || active === undefined) return;
    this.#sent[active] = (this.#sent[active] ?? 0) + 5;
    const out = this.#delay(active, 'out', this.#end);
    if (out !== undefined) {
      this.at(this.now + out, () => {
        const back = this.#delay(active, 'back', this.#end);
        if (back === undefined) return;
        this.at(this.now + back, () => {
          this.#received[active] = (this.#received[active] ?? 0) + 5;
        });
      });
    }
    const { [active]: sent = 0 } = this.#sent;
    const { [active]: received = 0 } = this.#received;
    this.#hear(now => this.policy.traffic(active, sent, received, now));
  }

  /** What a packet takes one way, or undefined if it is lost. */
  #delay(gateway: number, direction: 'out' | 'back', to: 'gateway' | 'relay'): number | undefined {
    const place = this.place(gateway);
    const { delayMs, jitter, loss } = place[direction];
    const stopped =
      !this.network || !place.gateway || (to === 'relay' && !(place.line && this.relay && this.#known));
    if (stopped || this.random() < loss) return undefined;
    return delayMs * (1 + jitter * (2 * this.random() - 1));
  }

  // --- The queue: a binary heap

  #before(a: number, b: number): boolean {
    const left = this.#queue[a];
    const right = this.#queue[b];
    if (left === undefined || right === undefined) return left !== undefined;
    return left.at === right.at ? left.order < right.order : left.at < right.at;
  }

  #swap(a: number, b: number): void {
    const [left, right] = [this.#queue[a], this.#queue[b]];
    if (left === undefined || right === undefined) return;
    this.#queue[a] = right;
    this.#queue[b] = left;
  }

  #sift(index: number): void {
    for (let child = index; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (this.#before(parent, child)) return;
      this.#swap(parent, child);
      child = parent;
    }
  }

  #shift(): void {
    const last = this.#queue.pop();
    if (last === undefined || this.#queue.length === 0) return;
    this.#queue[0] = last;
    for (let parent = 0; ; ) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2])
        if (child < this.#queue.length && this.#before(child, least)) least = child;
      if (least === parent) return;
      this.#swap(parent, least);
      parent = least;
    }
  }
}
