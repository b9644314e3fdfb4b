/** Two client data planes that are each other's gateway, over a virtual cable between two namespaces. */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import type { ClientDataPlane, ClientEvents } from '../../src/dataplane/api.js';
import { createClientDataPlane } from '../../src/dataplane/client.js';
import type { ChildSa, EspSuite, TrafficSelector } from '../../src/ike/api.js';
import { monotonicMs } from '../../src/io/clock.js';
import { offloadsWanted } from '../../src/io/offloads.js';
import { openTun, type TunDevice } from '../../src/io/tun.js';
import { Secret } from '../../src/secret.js';
import { Namespace } from './namespace.js';

export const SUITES: readonly EspSuite[] = ['chacha20poly1305', 'aes256gcm16', 'aes128gcm16'];
export const DEVICE = 'vpnrtest';
export const PORT = 4500;
/** A path that no test uses. */
const SPARE_PATH = 15;
const ANY: TrafficSelector = {
  family: 4,
  protocol: 0,
  firstPort: 0,
  lastPort: 65535,
  first: '0.0.0.0',
  last: '255.255.255.255',
};

/** What a side has been told, oldest first. */
export type Report = { [K in keyof ClientEvents]: [K, ...Parameters<ClientEvents[K]>] }[keyof ClientEvents];

export class Side {
  readonly space = new Namespace('vpnr-dp');
  readonly plane: ClientDataPlane = createClientDataPlane();
  readonly reports: Report[] = [];
  /** Address on the cable. */
  readonly outer: string;
  /** Address of the device. */
  readonly inner: string;
  device: TunDevice | undefined;
  #waiting: (() => void)[] = [];

  constructor(outer: string, inner: string) {
    this.outer = outer;
    this.inner = inner;
  }

  readonly events: ClientEvents = {
    ike: (...args) => this.#report(['ike', ...args]),
    probeReply: (...args) => this.#report(['probeReply', ...args]),
    suspected: (...args) => this.#report(['suspected', ...args]),
    switched: (...args) => this.#report(['switched', ...args]),
    drain: () => this.#report(['drain']),
    traffic: (...args) => this.#report(['traffic', ...args]),
    pathError: (...args) => this.#report(['pathError', ...args]),
    failed: (...args) => this.#report(['failed', ...args]),
  };

  #report(report: Report): void {
    this.reports.push(report);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** The first report of this kind, now or later. */
  async next<K extends Report[0]>(kind: K): Promise<Extract<Report, [K, ...unknown[]]>> {
    for (;;) {
      const found = this.reports.find(([name]) => name === kind);
      if (found !== undefined) return found as Extract<Report, [K, ...unknown[]]>;
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
  }

  async start(mtu: number): Promise<void> {
    this.device = await this.space.inside(() => openTun({ name: DEVICE, offloads: offloadsWanted() }));
    this.space.ip('link', 'set', DEVICE, 'mtu', String(mtu), 'up');
    this.space.ip('address', 'add', `${this.inner}/24`, 'dev', DEVICE);
    await this.plane.start(this.device, this.events);
    this.plane.setAddresses({ device: this.inner, maxSegment: mtu - 40 });
  }

  async stop(): Promise<void> {
    await this.plane.stop();
    this.device?.close();
    this.space.remove();
  }
}

export interface Pair {
  left: Side;
  right: Side;
  stop(): Promise<void>;
}

/** Starts both sides and opens path 0 between them. No child is installed yet. */
export async function startPair(mtu = 1400): Promise<Pair> {
  const left = new Side('198.18.1.1', '198.18.2.1');
  const right = new Side('198.18.1.2', '198.18.2.2');
  left.space.ip('link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', right.space.name);
  for (const side of [left, right]) {
    side.space.ip('address', 'add', `${side.outer}/24`, 'dev', 'cable');
    side.space.ip('link', 'set', 'cable', 'up');
    await side.start(mtu);
  }
  openPath(left, right);
  openPath(right, left);
  return {
    left,
    right,
    stop: async () => {
      await left.stop();
      await right.stop();
    },
  };
}

export function openPath(side: Side, peer: Side, path = 0): void {
  const local = { address: side.outer, port: PORT + path };
  side.space.inside(() => side.plane.openPath(path, { address: peer.outer, port: PORT + path }, local));
  side.plane.setVirtualAddress(path, side.inner);
}

export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Waits for something that other threads bring about. */
export async function until(condition: () => boolean): Promise<void> {
  const end = monotonicMs() + 20_000;
  while (!condition()) {
    if (monotonicMs() > end) throw new Error(`not within 20 s: ${condition}`);
    await new Promise(resolve => setImmediate(resolve));
  }
}

/** Waits until the worker has carried out all commands so far: the last of them closes a descriptor. */
export async function settled({ plane }: Side): Promise<void> {
  const before = openDescriptors();
  plane.openPath(SPARE_PATH, { address: '127.0.0.1', port: PORT });
  plane.closePath(SPARE_PATH);
  // Others may be closed meanwhile, of a program that ends.
  await until(() => openDescriptors() <= before);
}

/** Installs a child at both ends, and makes its path the active one. Resolves with the inbound SPIs, left and right. */
export async function installChildren(
  { left, right }: Pick<Pair, 'left' | 'right'>,
  suite: EspSuite,
  path = 0,
): Promise<[number, number]> {
  const toLeft = randomBytes(suite === 'aes128gcm16' ? 20 : 36);
  const toRight = randomBytes(toLeft.length);
  const leftSpi = left.plane.allocateSpi();
  const rightSpi = right.plane.allocateSpi();
  const common = { suite, localSelectors: [ANY], remoteSelectors: [ANY] };
  const child = (
    inboundSpi: number,
    outboundSpi: number,
    inbound: Uint8Array,
    outbound: Uint8Array,
  ): ChildSa => ({
    ...common,
    inboundSpi,
    outboundSpi,
    inboundKey: new Secret(Uint8Array.from(inbound)),
    outboundKey: new Secret(Uint8Array.from(outbound)),
  });
  // As IKE does: neither end sends on it before the other can receive.
  left.plane.installChild(path, child(leftSpi, rightSpi, toLeft, toRight), true);
  right.plane.installChild(path, child(rightSpi, leftSpi, toRight, toLeft), true);
  await settled(left);
  await settled(right);
  left.plane.sendOnChild(path, leftSpi);
  right.plane.sendOnChild(path, rightSpi);
  left.plane.activate(path, 1);
  right.plane.activate(path, 1);
  await settled(left);
  await settled(right);
  return [leftSpi, rightSpi];
}
