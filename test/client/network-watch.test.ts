import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NetworkWatch, type PathChange } from '../../src/client/network-watch.js';
import type { VpnrError } from '../../src/errors.js';
import { NetworkChanges } from '../../src/io/changes.js';
import { Journal } from '../../src/io/journal.js';
import { hopTo } from '../../src/io/network.js';
import { SuspendDetector } from '../../src/io/suspend.js';
import { parseAddress } from '../../src/prefix.js';
import { inPrivateNetwork, ip, makeDevice } from '../io/private-network.js';

const TESTS = 7;
const GATEWAY = '198.51.100.10';
const OTHER = '203.0.113.10';

type Told =
  | ['down', string, ...number[]]
  | ['changed', ...PathChange[]]
  | ['resumed', number]
  | ['failed', VpnrError];

/** A machine with two uplinks, `wire` (default) and `air`, and the tunnel's device, which takes all traffic. */
class Scene {
  readonly told: Told[] = [];
  readonly changes: NetworkChanges;
  watch!: NetworkWatch;
  asleep = 0;
  readonly #folder = mkdtempSync(join(tmpdir(), 'vpnr-watch-'));
  readonly #journal: Journal;
  #wake: () => void = () => {};

  constructor() {
    for (const [name, end, address] of [
      ['wire', 'wall', '192.0.2.2/24'],
      ['air', 'tower', '100.64.0.2/24'],
    ] as const) {
      ip('link', 'add', name, 'type', 'veth', 'peer', 'name', end);
      ip('link', 'set', end, 'up');
      ip('link', 'set', name, 'up');
      ip('address', 'add', address, 'dev', name);
    }
    ip('route', 'add', 'default', 'via', '192.0.2.1', 'metric', '10');
    ip('route', 'add', 'default', 'via', '100.64.0.1', 'metric', '20');
    makeDevice('tun');
    this.#journal = Journal.open('test', this.#folder);
    this.changes = new NetworkChanges(this.#journal, 'tun');
  }

  async start(): Promise<void> {
    await this.changes.keepOutside(GATEWAY);
    await this.changes.keepOutside(OTHER);
    await this.changes.addRoutes(['0.0.0.0/0']);
    const tell = (told: Told) => {
      this.told.push(told);
      this.#wake();
    };
    const suspend = new SuspendDetector(() => this.asleep);
    this.watch = await NetworkWatch.start(
      { device: 'tun', changes: this.changes, suspend },
      {
        linkDown: (paths, device) => tell(['down', device, ...paths]),
        networkChanged: moved => tell(['changed', ...moved]),
        resumed: ms => tell(['resumed', ms]),
        failed: error => tell(['failed', error]),
      },
    );
    await this.watch.watch(0, GATEWAY);
    await this.watch.watch(1, OTHER);
  }

  /** The next that is told. */
  async next(): Promise<Told> {
    while (this.told.length === 0) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    return this.told.shift() as Told;
  }

  /** All that is told up to a change after which no path is left to be told of. */
  async until(...last: Told): Promise<Told[]> {
    const all: Told[] = [];
    do all.push(await this.next());
    while (JSON.stringify(all.at(-1)) !== JSON.stringify(last));
    return all;
  }

  async stop(): Promise<void> {
    this.watch.stop();
    await this.changes.undoAll();
    this.#journal.close();
    for (const device of ['wire', 'air', 'tun']) {
      try {
        ip('link', 'delete', device);
      } catch {
        // The test has deleted it.
      }
    }
    rmSync(this.#folder, { recursive: true });
  }
}

const moved = (reachable: boolean): Told => ['changed', { path: 0, reachable }, { path: 1, reachable }];

async function wayOut(): Promise<string | undefined> {
  return (await hopTo(parseAddress(GATEWAY)))?.device;
}

if (inPrivateNetwork(TESTS)) {
  const scenario = (name: string, body: (scene: Scene) => Promise<void>) =>
    test(name, async () => {
      const scene = new Scene();
      // What is watched keeps no process alive.
      const alive = setInterval(() => {}, 1000);
      try {
        await scene.start();
        await body(scene);
      } finally {
        clearInterval(alive);
        await scene.stop();
      }
    });

  scenario('the default route changes: the ways outside follow, and the paths are told', async scene => {
    assert.is(await wayOut(), 'wire');
    ip('route', 'delete', 'default', 'metric', '10');
    await scene.until(...moved(true));
    assert.is(await wayOut(), 'air');
    ip('route', 'add', 'default', 'via', '192.0.2.1', 'metric', '10');
    await scene.until(...moved(true));
    assert.is(await wayOut(), 'wire');
  });

  scenario('another router, or another address, on the same link', async scene => {
    ip('route', 'replace', 'default', 'via', '192.0.2.7', 'metric', '10');
    await scene.until(...moved(true));
    ip('address', 'add', '192.0.2.33/24', 'dev', 'wire');
    ip('address', 'delete', '192.0.2.2/24', 'dev', 'wire');
    await scene.next();
    ip('address', 'add', '192.0.2.44/24', 'dev', 'wire');
    ip('route', 'replace', 'default', 'via', '192.0.2.7', 'metric', '10');
    await scene.until(...moved(true));
    const { source } = (await hopTo(parseAddress(GATEWAY))) ?? {};
    assert.is(source, '192.0.2.44');
  });

  scenario('a link that goes down is told at once, then that there is another way', async scene => {
    ip('link', 'set', 'wall', 'down');
    assert.equal(await scene.next(), ['down', 'wire', 0, 1]);
    ip('route', 'delete', 'default', 'metric', '10');
    await scene.until(...moved(true));
    assert.is(await wayOut(), 'air');
  });

  scenario('without any way there is none, until one comes back', async scene => {
    ip('link', 'delete', 'air');
    ip('link', 'set', 'wall', 'down');
    assert.equal((await scene.until(...moved(false))).at(0)?.[0] === 'failed', false);
    ip('link', 'set', 'wall', 'up');
    await scene.until(...moved(true));
    assert.is(await wayOut(), 'wire');
  });

  scenario('an interface that is taken away', async scene => {
    ip('link', 'delete', 'wire');
    const told = await scene.until(...moved(true));
    assert.ok(told.some(one => one[0] === 'down' && one[1] === 'wire'));
    assert.is(await wayOut(), 'air');
  });

  scenario('changes that concern no path move none; those of its own are not told at all', async scene => {
    await scene.changes.addAddress('10.61.0.2/32');
    await scene.changes.addRoutes(['10.30.0.0/16']);
    await scene.changes.keepOutside('198.51.100.99');
    await scene.changes.removeAddress('10.61.0.2/32');
    ip('address', 'add', '100.64.0.77/24', 'dev', 'air');
    assert.equal(await scene.next(), ['changed']);
    scene.watch.forget(1);
    ip('route', 'delete', 'default', 'metric', '10');
    await scene.until('changed', { path: 0, reachable: true });
    assert.equal(scene.told, []);
  });

  scenario('after a sleep all is looked at again', async scene => {
    scene.asleep += 3_600_000;
    assert.equal(await scene.next(), ['resumed', 3_600_000]);
    assert.equal(await scene.next(), ['changed']);
  });

  test.run();
}
