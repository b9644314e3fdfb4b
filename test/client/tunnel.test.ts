import { randomBytes, randomInt } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SequenceUse } from '../../src/client/sequence-use.js';
import { Tunnel } from '../../src/client/tunnel.js';
import { clientSchema } from '../../src/config/client.js';
import type { ClientDataPlane } from '../../src/dataplane/api.js';
import { ChildTable } from '../../src/dataplane/children.js';
import { VpnrError } from '../../src/errors.js';
import type { ChildSa, Endpoint, IkeSession, TrafficSelector } from '../../src/ike/api.js';
import { createResponder } from '../../src/ike/responder.js';
import { cidrSelector } from '../../src/ike/selectors.js';
import { Secret } from '../../src/secret.js';
import { createService } from '../ike/service-gateway.js';

const config = clientSchema.parse({
  name: 'work',
  identity: 'client1',
  gateways: [{ name: 'tokyo', address: '198.51.100.10', identity: 'tokyo', auth: { psk: { env: 'PSK' } } }],
});
const gateway = config.gateways[0] as (typeof config.gateways)[number];
const REMOTE: Endpoint = { address: '198.51.100.10', port: 4500 };
const LOCAL: Endpoint = { address: '192.0.2.1', port: 40_000 };

/** The part of the data plane that a tunnel uses; what it sends goes to a gateway in the same process. */
class Scene {
  readonly children = new ChildTable(() => {});
  readonly spis = new Set<number>();
  readonly open = new Set<number>();
  readonly events: string[] = [];
  error: VpnrError | undefined;
  readonly tunnel: Tunnel;
  readonly #toClient: Uint8Array[] = [];
  readonly #toGateway: Uint8Array[] = [];

  readonly #networks: string[];
  readonly #mobike: boolean;
  readonly #inner: string | undefined;
  /** What is ours, of the children that were installed. */
  readonly ours: TrafficSelector[][] = [];
  /** Ports that the path has been moved to. */
  readonly moves: number[] = [];
  #refuses = false;
  #responder: IkeSession | undefined;

  /** `inner`: the gateway assigns no address, and this is ours. */
  constructor(networks: string[], { mobike = true, inner }: { mobike?: boolean; inner?: string } = {}) {
    this.#networks = networks;
    this.#mobike = mobike;
    this.#inner = inner;
    const plane: Partial<ClientDataPlane> = {
      openPath: path => {
        this.open.add(path);
        return { local: LOCAL };
      },
      movePath: () => {
        if (this.#refuses) throw new VpnrError('SYSTEM_CALL', 'connect: ENETUNREACH');
        const port = LOCAL.port + 1 + this.moves.length;
        this.moves.push(port);
        return { local: { ...LOCAL, port } };
      },
      closePath: path => void this.open.delete(path),
      allocateSpi: () => {
        const spi = this.children.allocateSpi();
        this.spis.add(spi);
        return spi;
      },
      releaseSpi: spi => {
        this.spis.delete(spi);
        this.children.releaseSpi(spi);
      },
      sendIke: (_, datagram) => void this.#toGateway.push(datagram),
      installChild: (path: number, child: ChildSa) => {
        this.ours.push(child.localSelectors);
        this.children.install(path, child, false);
      },
      removeChild: spi => {
        this.spis.delete(spi);
        this.children.remove(spi);
      },
      setVirtualAddress: () => {},
    };
    this.tunnel = new Tunnel(
      {
        path: 0,
        gateway: { ...gateway, inner_address: inner },
        identity: config.identity,
        psk: Secret.fromText('a key'),
        lifetimes: config.lifetimes,
        wantedAddress: undefined,
      },
      REMOTE,
      plane as ClientDataPlane,
      {
        up: (_, address) => void this.events.push(`up ${address}`),
        alive: () => {},
        rehomed: ({ port }) => void this.events.push(`rehomed ${port}`),
        closed: error => {
          this.events.push('closed');
          this.error = error;
        },
      },
    );
  }

  /** IKE with the gateway, until nobody has anything to say. */
  connect(): void {
    this.tunnel.start();
    this.settle();
  }

  /** The network has no way to the gateway. */
  refuse(): void {
    this.#refuses = true;
  }

  /** Delivers everything. */
  settle(): void {
    this.#responder ??= this.#makeResponder();
    for (;;) {
      const out = this.#toGateway.shift();
      if (out !== undefined) {
        for (const output of this.#responder.receive(out, 0)) {
          if (output.type === 'send') this.#toClient.push(output.datagram);
        }
        continue;
      }
      const back = this.#toClient.shift();
      if (back === undefined) return;
      this.tunnel.receive(back);
    }
  }

  #makeResponder(): IkeSession {
    const options = {
      identity: 'tokyo',
      psk: () => Secret.fromText('a key'),
      assign: () => ({ addresses: ['10.61.0.2'], dns: [], domains: [], subnets: [] }),
      release: () => {},
      networks: this.#networks,
      ike: gateway.ike,
      esp: gateway.esp,
      mobike: this.#mobike,
      lifetimes: { ikeMs: 1e6, childMs: 1e6 },
      local: REMOTE,
      remote: LOCAL,
    };
    const env = {
      random: (size: number) => randomBytes(size),
      allocateSpi: () => randomInt(256, 2 ** 32),
      releaseSpi: () => {},
    };
    if (this.#inner === undefined) return createResponder(options, env);
    return createService({ ...options, behindClient: ['0.0.0.0/0'] }, env).session;
  }
}

test('a tunnel to a gateway that assigns no address lets in what is for the inner address only', () => {
  const it = new Scene(['0.0.0.0/0'], { inner: '10.9.0.2' });
  it.connect();
  assert.equal(it.events, ['up 10.9.0.2']);
  assert.is(it.tunnel.virtualAddress, '10.9.0.2');
  assert.equal(it.ours, [[cidrSelector('10.9.0.2')]]);
  it.tunnel.close();
  assert.is(it.spis.size, 0);
});

test('keys are renewed when half of the sequence numbers is used up, by packets in either direction, modulo 2^32', () => {
  const it = new Scene(['10.20.0.0/16']);
  it.connect();
  const half = 2 ** 31;
  const children = (sent: number, received: number) => {
    it.tunnel.traffic(sent % 2 ** 32, received % 2 ** 32);
    it.settle();
    return it.ours.length;
  };
  let [sent, received] = [2 ** 32 - 7, 100];
  assert.is(children(sent, received), 1);
  assert.is(children(sent + half - 1, received), 1);
  sent += half;
  assert.is(children(sent, received), 2);
  // Those of the new keys begin with the next report.
  assert.is(children(sent + half - 1, received + half - 1), 2);
  sent += half - 1;
  received += half - 1;
  assert.is(children(sent, received + half - 1), 2);
  assert.is(children(sent, received + half), 3);
  it.tunnel.close();
  assert.is(children(sent + half, received), 3);
  assert.is(it.spis.size, 0);
});

test('where renewing keys is refused for now, they are not asked for again by every report', () => {
  const use = new SequenceUse();
  const due = [0, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1].map(sent => use.isDue(sent, 0));
  assert.equal(due, [false, true, false, false]);
});

test('a tunnel comes up, and gives everything back when it is closed', () => {
  const it = new Scene(['10.20.0.0/16', '10.30.0.0/16']);
  it.connect();
  assert.equal(it.events, ['up 10.61.0.2']);
  assert.ok(it.tunnel.up);
  it.tunnel.close();
  assert.equal(it.events, ['up 10.61.0.2']);
  assert.is(it.spis.size, 0);
  assert.is(it.open.size, 0);
});

test('a child that the packet core has no room for is the end of that tunnel only', () => {
  const it = new Scene(Array.from({ length: 9 }, (_, i) => `10.${i * 2}.0.0/16`));
  it.connect();
  it.tunnel.close();
  assert.equal(it.events, ['closed']);
  assert.is(it.error?.code, 'TS_UNACCEPTABLE');
  assert.match(it.error?.message ?? '', 'tokyo');
  assert.not.ok(it.tunnel.up);
  assert.is(it.spis.size, 0);
  assert.is(it.open.size, 0);
});

test('a tunnel whose network has changed goes on from a new socket, if the gateway has MOBIKE', () => {
  const it = new Scene(['10.20.0.0/16']);
  assert.not.ok(it.tunnel.rehome(), 'not before it is up');
  it.connect();
  assert.ok(it.tunnel.rehome());
  assert.equal(it.tunnel.local, { ...LOCAL, port: 40_001 });
  it.settle();
  assert.equal(it.events, ['up 10.61.0.2', 'rehomed 40001']);
  it.tunnel.rehome();
  it.tunnel.rehome();
  it.settle();
  assert.equal(it.events.slice(2), ['rehomed 40003']);
  it.tunnel.close();
  assert.not.ok(it.tunnel.rehome());
  assert.equal(it.moves, [40_001, 40_002, 40_003]);
});

test('a tunnel to a gateway without MOBIKE has to be connected anew', () => {
  const it = new Scene(['10.20.0.0/16'], { mobike: false });
  it.connect();
  assert.not.ok(it.tunnel.rehome());
  assert.equal(it.moves, []);
  assert.ok(it.tunnel.up);
  it.tunnel.close();
});

test('a tunnel without a way to its gateway stays where it was', () => {
  const it = new Scene(['10.20.0.0/16']);
  it.connect();
  it.refuse();
  assert.throws(() => it.tunnel.rehome(), /ENETUNREACH/);
  assert.ok(it.tunnel.up);
  assert.equal(it.tunnel.local, LOCAL);
  it.tunnel.close();
});

test.run();
