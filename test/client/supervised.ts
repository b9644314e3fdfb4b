/**
 * A supervisor with nothing real around it: gateways that answer, refuse or are silent, a relay that is there or not, a data
 * plane that writes down what it is told. Time passes when the test says so.
 */
import * as assert from 'uvu/assert';
import type { ConnectionEvent } from '../../src/client/events.js';
import type { OpenTunnel } from '../../src/client/paths.js';
import type { RelayConnection } from '../../src/client/relay-link.js';
import { Supervisor } from '../../src/client/supervisor.js';
import type { TunnelEvents } from '../../src/client/tunnel.js';
import { clientSchema } from '../../src/config/client.js';
import type { ClientDataPlane, RelayBinding } from '../../src/dataplane/api.js';
import { VpnrError } from '../../src/errors.js';
import type { RelayControlOptions, RelayGrant } from '../../src/relay/attempt.js';
import { Secret } from '../../src/secret.js';
import { FakeClock } from '../support/clock.js';

const NAMES = ['tokyo', 'osaka', 'nagoya'];
const IKE_MS = 20;
const RELAY_MS = 30;
const ROUND_TRIP_MS = 10;
export const LEASE = '10.30.200.2';

/** What a gateway does when it is asked to connect, and with packets once it is. */
export interface Site {
  ike: 'answers' | 'is silent' | 'refuses';
  /** The path behind it carries packets. */
  path: boolean;
  mobike: boolean;
}

export interface SceneOptions {
  gateways?: number;
  relay?: boolean;
  persist?: boolean;
  failover?: Record<string, unknown>;
  /** How long the system takes to give the device an address, or why it does not. */
  setAddress?: (address: string) => Promise<void>;
  /** How long the system takes until it asks other name servers. */
  nameServers?: () => Promise<void>;
}

interface OpenedTunnel {
  gateway: number;
  events: TunnelEvents;
}

type Call = [name: string, ...parameters: unknown[]];

export class Scene {
  /** The supervisor's; the world has another one, so that what is left of it does not count as the supervisor's. */
  readonly clock = new FakeClock();
  readonly events: ConnectionEvent[] = [];
  readonly sites: Site[];
  /** What the data plane was told, but for probes and settings. */
  readonly calls: Call[] = [];
  readonly nameServers: unknown[] = [];
  readonly supervisor: Supervisor;
  readonly tunnels = new Set<OpenedTunnel>();
  /** Control connections that are open. */
  readonly controls = new Set<RelayControlOptions>();
  /** Attempts for one that have neither succeeded nor failed. */
  readonly attempts = new Set<RelayControlOptions>();
  readonly bindings: RelayBinding[] = [];
  /** What the data plane was told of the relay's end. */
  readonly gone: boolean[] = [];
  /** Of the relay: it is there, refuses connections (its host is there), drops them as it starts, does not know us, or there is nobody. */
  relay: 'answers' | 'refuses' | 'drops' | 'turns us away' | 'is silent' = 'answers';
  /** What it tells of what it had received before it was started anew. */
  received: Uint8Array | undefined;
  goodbyes = 0;
  moves = 0;
  failure: VpnrError | undefined;
  readonly #world = new FakeClock();
  /** Packets of applications so far. */
  #packets = 0;
  #active: number | undefined;
  #address: string | undefined;
  /** The keys that the relay holds. */
  #keys: string | undefined;
  #sessions = 0;

  constructor(options: SceneOptions = {}) {
    const { gateways = 2, relay = true, persist = false, failover, setAddress, nameServers } = options;
    this.sites = Array.from({ length: gateways }, () => ({ ike: 'answers', path: true, mobike: true }));
    const config = clientSchema.parse({
      name: 'work',
      identity: 'client1',
      gateways: this.sites.map((_, index) => ({
        name: NAMES[index],
        address: `198.51.100.1${index}`,
        identity: NAMES[index],
        auth: { psk: { env: 'PSK' } },
      })),
      ...(relay && {
        relay: { address: '10.20.0.100', fingerprint: `sha256:${'00'.repeat(32)}`, token: { env: 'TOKEN' } },
      }),
      ...(failover && { failover }),
    });
    this.supervisor = new Supervisor({
      config,
      psks: this.sites.map(() => Secret.fromText('a key')),
      relayToken: relay ? Secret.fromText('a token') : undefined,
      relayCa: undefined,
      resolver: { resolve: async ({ address: { host: address, port } }) => ({ address, port }) },
      plane: this.#plane(),
      device: this.#device(setAddress),
      changes: { keepOutside: async () => {} },
      watch: { watch: async () => {}, forget: () => {} },
      killSwitch: undefined,
      nameService: {
        use: async assigned => {
          await nameServers?.();
          this.nameServers.push(assigned);
        },
      },
      persist,
      emit: event => void this.events.push(event),
      clock: this.clock,
      openTunnel: this.#openTunnel,
      relayLink: {
        connect: connection => this.#connectRelay(connection),
        stateFile: { load: async () => undefined, save: async () => {} },
      },
      random: () => 0.5,
    });
    this.supervisor.failure.catch((error: VpnrError) => {
      this.failure = error;
    });
  }

  /** Lets time pass for the supervisor and the world. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed++) {
      await this.#world.pass(1);
      await this.clock.pass(1);
    }
  }

  /** As `pass`, with packets of applications in both directions. */
  async carry(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) {
      this.#packets += 10;
      this.supervisor.traffic(this.#packets, this.#packets);
      await this.pass(50);
    }
  }

  /** Events of this name. */
  told<Name extends ConnectionEvent['event']>(name: Name) {
    return this.events.filter(
      (event): event is Extract<ConnectionEvent, { event: Name }> => event.event === name,
    );
  }

  /** The last one of this name. */
  last<Name extends ConnectionEvent['event']>(name: Name) {
    return this.told(name).at(-1);
  }

  site(gateway: number): Site {
    return this.sites[gateway] as Site;
  }

  /** The tunnel to the gateway; there must be one. */
  tunnel(gateway: number): OpenedTunnel {
    const [tunnel, ...more] = [...this.tunnels].filter(open => open.gateway === gateway);
    if (tunnel === undefined || more.length > 0) throw new Error(`${more.length} tunnels to ${gateway}`);
    return tunnel;
  }

  /** The relay ends: its keys are gone. */
  endRelay(): void {
    this.relay = 'refuses';
    this.#keys = undefined;
    this.loseControl(true);
  }

  /** Control connections end. */
  loseControl(byRelay: boolean): void {
    for (const control of this.controls) {
      this.controls.delete(control);
      control.onLost(new VpnrError('RELAY_UNREACHABLE', 'lost'), byRelay);
    }
  }

  #device(setAddress: SceneOptions['setAddress']) {
    const scene = this;
    return {
      name: 'vpnr0',
      mtu: 1400,
      controlAddress: '192.0.0.2',
      get address() {
        return scene.#address;
      },
      async setAddress(address: string) {
        await setAddress?.(address);
        const previous = scene.#address;
        scene.#address = address;
        return previous;
      },
    };
  }

  #plane(): ClientDataPlane {
    const note =
      (name: string) =>
      (...parameters: unknown[]) =>
        void this.calls.push([name, ...parameters]);
    const plane: Partial<ClientDataPlane> = {
      setRelay: () => {},
      setFailover: () => {},
      setAddresses: () => {},
      setSecondPath: note('second'),
      bindRelay: binding => void this.bindings.push(binding),
      relayGone: gone => void this.gone.push(gone),
      activate: (path, ...more) => {
        this.#active = path;
        note('activate')(path, ...more);
      },
      probe: (path, id) => this.#probe(path, id),
      counters: () => ({}),
      offloads: () => ({ tcp: false, udp: false, send: false, receive: false }),
    };
    return plane as ClientDataPlane;
  }

  /** The relay answers by the same path, if it holds the session's keys. */
  #probe(path: number, id: number): void {
    this.#world.after(ROUND_TRIP_MS, () => {
      if (this.#keys !== undefined && this.site(path).path)
        this.supervisor.probeReply(path, id, ROUND_TRIP_MS, 0);
    });
  }

  #openTunnel: OpenTunnel = ({ path: gateway }, endpoint, _plane, events) => {
    const opened = { gateway, events };
    const isOpen = () => this.tunnels.has(opened);
    let configuration:
      | { addresses: string[]; dns: string[]; domains: string[]; subnets: string[] }
      | undefined;
    this.tunnels.add(opened);
    const later = (what: () => void) => void this.#world.after(IKE_MS, () => isOpen() && what());
    return {
      endpoint,
      get virtualAddress() {
        return configuration?.addresses[0];
      },
      get configuration() {
        return configuration;
      },
      start: () =>
        later(() => {
          const { ike } = this.site(gateway);
          if (ike === 'refuses') {
            this.tunnels.delete(opened);
            events.closed(new VpnrError('AUTHENTICATION_FAILED', `${NAMES[gateway]} refused`), true);
          } else if (ike === 'answers') {
            configuration = {
              addresses: [`10.6${gateway}.0.2`],
              dns: [`10.6${gateway}.0.1`],
              domains: [],
              subnets: [],
            };
            events.up(configuration, `10.6${gateway}.0.2`);
          }
        }),
      receive: () => {},
      traffic: () => {},
      rehome: () => {
        this.moves++;
        return configuration !== undefined && this.site(gateway).mobike;
      },
      probe: () => later(() => this.site(gateway).ike === 'answers' && events.alive(IKE_MS)),
      close: () => void this.tunnels.delete(opened),
    };
  };

  #connectRelay(options: RelayControlOptions): Promise<RelayConnection> {
    this.attempts.add(options);
    let aborted = () => {};
    return new Promise<RelayConnection>((resolve, reject) => {
      aborted = () => reject(options.signal?.reason);
      options.signal?.addEventListener('abort', aborted);
      this.#world.after(RELAY_MS, () => {
        const reachable = this.#active !== undefined && this.site(this.#active).path;
        if (options.signal?.aborted || !reachable) return;
        if (this.relay === 'answers') resolve(this.#grant(options));
        else if (this.relay === 'refuses') reject(refused());
        else if (this.relay === 'turns us away') reject(new VpnrError('RELAY_TOKEN_REFUSED', 'who?'));
        else if (this.relay === 'drops') reject(new VpnrError('RELAY_UNREACHABLE', 'dropped'));
      });
      this.#world.after(options.connectTimeoutMs ?? 0, () =>
        reject(new VpnrError('RELAY_UNREACHABLE', 'timed out')),
      );
    }).finally(() => {
      options.signal?.removeEventListener('abort', aborted);
      this.attempts.delete(options);
    });
  }

  #grant(options: RelayControlOptions): RelayConnection {
    const kept = this.#keys !== undefined && options.resume?.keys === this.#keys;
    if (!kept) this.#keys = `keys ${++this.#sessions}`;
    const { resume = { id: '00'.repeat(16), secret: Secret.fromText('a session') } } = options;
    const grant: RelayGrant = {
      index: 1,
      lease: LEASE,
      dataPort: 7511,
      mtu: undefined,
      resume,
      resumed: options.resume !== undefined,
      keys: kept
        ? undefined
        : { id: this.#keys ?? '', sendKey: Secret.fromText('there'), receiveKey: Secret.fromText('back') },
      received: this.received,
    };
    this.controls.add(options);
    const end = () => void this.controls.delete(options);
    return {
      grant,
      drop: end,
      leave: async () => {
        this.goodbyes++;
        end();
      },
    };
  }
}

/** With time for everything to come up. */
export const START_MS = 1500;

/** A connection that has come up. */
export async function connected(options: SceneOptions = {}): Promise<Scene> {
  const scene = new Scene(options);
  scene.supervisor.start();
  await scene.carry(START_MS);
  assert.is(scene.told('connected').length, 1);
  return scene;
}

/** Stops, and looks for what is left. */
export async function stopped(scene: Scene): Promise<void> {
  const told = scene.events.length;
  await scene.supervisor.stop();
  assert.is(scene.tunnels.size, 0, 'tunnels');
  assert.is(scene.controls.size, 0, 'control connections');
  assert.is(scene.attempts.size, 0, 'attempts for a control connection');
  const calls = scene.calls.length;
  await scene.pass(100);
  assert.is(scene.clock.pending, 0, 'timers');
  assert.equal(scene.events.slice(told), [], 'nothing is told of a connection that has ended');
  assert.is(scene.calls.length, calls, 'nothing is done');
  assert.is(scene.tunnels.size + scene.controls.size + scene.attempts.size, 0);
  assert.is(scene.supervisor.status().state, 'disconnecting');
}

/** Stops a connection `afterMs` into what `begin` begins, for some such times. */
export async function stoppedDuring(
  begin: (scene: Scene) => void | Promise<void>,
  make = () => connected(),
): Promise<void> {
  for (const afterMs of [0, 1, 15, 25, 45, 60, 90, 150, 400]) {
    const scene = await make();
    await begin(scene);
    await scene.pass(afterMs);
    await stopped(scene);
  }
}

/** Lets a gateway fail, without a word. */
export const fails = (gateway: number) => (scene: Scene) => {
  Object.assign(scene.site(gateway), { ike: 'is silent', path: false });
};

function refused(): VpnrError {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  return new VpnrError('RELAY_UNREACHABLE', 'nobody listens', { cause });
}
