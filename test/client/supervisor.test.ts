import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VpnrError } from '../../src/errors.js';
import { settled } from '../support/clock.js';
import { LEASE, Scene, type SceneOptions } from './supervised.js';

/** With time for everything to come up. */
const START_MS = 1500;

async function connected(options: SceneOptions = {}): Promise<Scene> {
  const scene = new Scene(options);
  scene.supervisor.start();
  await scene.carry(START_MS);
  assert.is(scene.told('connected').length, 1);
  return scene;
}

/** Stops, and looks for what is left. */
async function stopped(scene: Scene): Promise<void> {
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
async function stoppedDuring(
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

const fails = (gateway: number) => (scene: Scene) => {
  Object.assign(scene.site(gateway), { ike: 'is silent', path: false });
};

// --- Connecting

test('connects the first gateway, then the relay, and only then says so; the others follow', async () => {
  const scene = await connected({ gateways: 3 });
  const names = scene.events.map(({ event }) => event);
  assert.equal(names.slice(0, 4), ['connecting', 'tunnel-up', 'relay-session', 'connected']);
  const { gateway, address } = scene.last('connected') ?? {};
  assert.equal([gateway, address], ['tokyo', LEASE]);
  assert.is(scene.tunnels.size, 3);
  assert.equal(scene.calls, [['activate', 0, 1, 'failed']]);
  assert.is(scene.bindings.length, 1);
  assert.equal(scene.nameServers.at(-1), { servers: ['10.60.0.1'], search: [] });
  const { state, relay, gateways } = scene.supervisor.status();
  assert.is(state, 'connected');
  assert.is(relay?.connected, true);
  assert.equal(
    gateways.map(gateway => gateway.state),
    ['active', 'standby', 'standby'],
  );
  await stopped(scene);
  assert.is(scene.goodbyes, 1);
});

test('without a relay, the address is what the gateway assigned', async () => {
  const scene = await connected({ relay: false });
  assert.is(scene.last('connected')?.address, '10.60.0.2');
  await stopped(scene);
});

test('stops at any moment of connecting', () =>
  stoppedDuring(
    () => {},
    async () => {
      const scene = new Scene();
      scene.supervisor.start();
      return scene;
    },
  ));

test('stops while the system gives the device its address', async () => {
  for (const relay of [true, false]) {
    let given = () => {};
    const scene = new Scene({ relay, setAddress: () => new Promise(resolve => (given = resolve)) });
    scene.supervisor.start();
    await scene.pass(200);
    assert.equal(scene.told('connected'), []);
    const told = scene.events.length;
    await scene.supervisor.stop();
    given();
    await scene.pass(100);
    assert.is(scene.events.length, told);
    assert.is(scene.clock.pending, 0);
  }
});

test('says that it is connected once names can be looked up; then nothing waits for that any more', async () => {
  for (const relay of [true, false]) {
    let set = () => {};
    const scene = new Scene({ relay, nameServers: () => new Promise(resolve => (set = resolve)) });
    scene.supervisor.start();
    await scene.carry(START_MS);
    assert.equal(scene.told('connected'), []);
    assert.is(scene.supervisor.status().state, 'connecting');
    set();
    await settled();
    assert.is(scene.told('connected').length, 1);
    const switched = scene.supervisor.switchTo('osaka');
    await scene.carry(START_MS);
    assert.is((await switched).gateway, 'osaka');
    await stopped(scene);
  }
});

test('moves, or stops, while the system is told of name servers', async () => {
  const setting: (() => void)[] = [];
  const make = async () => {
    const scene = new Scene({ nameServers: () => new Promise(resolve => setting.push(resolve)) });
    scene.supervisor.start();
    await scene.carry(200);
    assert.is(setting.length, 1);
    return scene;
  };
  const moved = await make();
  fails(0)(moved);
  await moved.carry(START_MS);
  setting.splice(0).forEach(set => void set());
  await settled();
  assert.equal(
    moved.told('connected').map(({ gateway }) => gateway),
    ['osaka'],
  );
  await stopped(moved);
  await stoppedDuring(() => setting.splice(0).forEach(set => void set()), make);
});

// --- Gateways that cannot be connected

test('a gateway that refuses authentication is left for the next one', async () => {
  const scene = new Scene();
  scene.site(0).ike = 'refuses';
  scene.supervisor.start();
  await scene.pass(START_MS);
  assert.is(scene.told('connect-failed')[0]?.code, 'AUTHENTICATION_FAILED');
  assert.is(scene.last('connected')?.gateway, 'osaka');
  assert.is(scene.failure, undefined);
  await stopped(scene);
});

test('when all gateways refuse, the first one says why, unless it is to go on for ever', async () => {
  for (const persist of [false, true]) {
    const scene = new Scene({ persist });
    for (const site of scene.sites) site.ike = 'refuses';
    scene.supervisor.start();
    await scene.pass(300);
    assert.is(scene.failure?.code, persist ? undefined : 'AUTHENTICATION_FAILED');
    assert.is(scene.tunnels.size, 0);
    if (persist) {
      assert.is(scene.supervisor.status().state, 'waiting');
      for (const site of scene.sites) site.ike = 'answers';
      await scene.pass(5000);
      assert.is(scene.told('connected').length, 1);
    }
    await stopped(scene);
  }
});

test('a gateway that does not answer is given up in time', async () => {
  const scene = new Scene({ gateways: 1 });
  scene.site(0).ike = 'is silent';
  scene.supervisor.start();
  await scene.pass(5000);
  assert.is(scene.failure?.code, 'GATEWAY_TIMEOUT');
  assert.is(scene.told('connect-failed').length, 1);
  await stopped(scene);
});

test('a device that does not take the address ends the connection, also one that goes on for ever', async () => {
  for (const relay of [true, false]) {
    const setAddress = async () => {
      throw new VpnrError('ROUTE_EXISTS', 'there is such a route');
    };
    const scene = new Scene({ relay, setAddress, persist: true });
    scene.supervisor.start();
    await scene.pass(START_MS);
    assert.is(scene.failure?.code, 'ROUTE_EXISTS');
    assert.equal(scene.told('connected'), []);
    await stopped(scene);
  }
});

// --- Failover

test('moves to the next gateway when the path fails, tells both, and comes back on a new tunnel later', async () => {
  const scene = await connected();
  fails(0)(scene);
  await scene.carry(600);
  const failed = scene.last('gateway-failed');
  assert.is(failed?.gateway, 'tokyo');
  assert.ok((failed?.ms ?? 1e9) < 200);
  const { gateway, from, cause } = scene.last('switched') ?? {};
  assert.equal([gateway, from, cause], ['osaka', 'tokyo', 'failure']);
  assert.equal(scene.calls.at(-1), ['activate', 1, 2, 'failed']);
  assert.is(scene.last('relay-session')?.keys, 'kept');
  assert.equal(scene.nameServers.at(-1), { servers: ['10.61.0.1'], search: [] });
  assert.is(scene.controls.size, 1);
  await scene.carry(6000);
  assert.is(scene.tunnels.size, 2, 'one that is up, one that is being tried');
  Object.assign(scene.site(0), { ike: 'answers', path: true });
  await scene.carry(20_000);
  assert.equal(
    scene.supervisor.status().gateways.map(({ state }) => state),
    ['standby', 'active'],
  );
  assert.is(scene.told('switched').length, 1);
  await stopped(scene);
});

test('stops at any moment of a failover', () => stoppedDuring(fails(0)));

test('with all paths silent it stays, and stops', async () => {
  const scene = await connected();
  fails(0)(scene);
  fails(1)(scene);
  await scene.carry(3000);
  assert.is(scene.last('stuck')?.reason, 'network');
  assert.equal(scene.told('switched'), []);
  await stopped(scene);
});

test('when all gateways close their tunnels, it drops packets until one is back', async () => {
  const scene = await connected();
  for (const gateway of [1, 0]) {
    const { events } = scene.tunnel(gateway);
    scene.site(gateway).ike = 'refuses';
    events.closed(new VpnrError('PEER_CLOSED', 'closed'), true);
  }
  await scene.pass(100);
  assert.equal(scene.calls.at(-1), ['activate', undefined, 0]);
  assert.is(scene.controls.size + scene.attempts.size, 0);
  assert.is(scene.supervisor.status().gateway, null);
  for (const site of scene.sites) site.ike = 'answers';
  await scene.pass(12_000);
  assert.is(scene.supervisor.status().state, 'connected');
  assert.is(scene.failure, undefined);
  await stopped(scene);
});

test('cold: one tunnel at a time', async () => {
  const scene = await connected({ failover: { mode: 'cold' } });
  assert.is(scene.tunnels.size, 1);
  fails(0)(scene);
  await scene.carry(1000);
  assert.is(scene.last('switched')?.gateway, 'osaka');
  assert.is(scene.tunnels.size, 1);
  await stopped(scene);
  await stoppedDuring(fails(0), () => connected({ failover: { mode: 'cold' } }));
});

test('duplicate: the second path follows', async () => {
  const scene = await connected({ failover: { mode: 'duplicate' } });
  assert.equal(scene.calls.at(-1), ['second', 1]);
  fails(0)(scene);
  await scene.carry(600);
  assert.is(scene.supervisor.status().gateway, 'osaka');
  await stopped(scene);
});

test('an ICMP error or a word of the relay hurries the detection', async () => {
  const scene = await connected();
  fails(0)(scene);
  scene.supervisor.suspected();
  scene.supervisor.pathError(0);
  await scene.pass(100);
  assert.is(scene.last('switched')?.gateway, 'osaka');
  await stopped(scene);
});

// --- Drain, and the operator's switch

test('a gateway that drains is left, then its tunnel ends', async () => {
  const scene = await connected();
  scene.tunnel(0).events.drain?.();
  await scene.pass(60);
  assert.equal(scene.told('drain'), [{ event: 'drain', gateway: 'tokyo' }]);
  assert.is(scene.last('switched')?.cause, 'drain');
  assert.equal(scene.calls.at(-1), ['activate', 1, 2, 'alive']);
  assert.is(scene.tunnels.size, 2, 'what is on its way may still arrive');
  await scene.pass(1000);
  assert.equal(
    [...scene.tunnels].map(({ gateway }) => gateway),
    [1],
  );
  assert.equal(scene.told('connect-failed'), []);
  await stopped(scene);
});

test('stops at any moment of a drain', () => stoppedDuring(scene => scene.tunnel(0).events.drain?.()));

test('the operator moves the traffic, and hears when it is there', async () => {
  const scene = await connected();
  const wish = scene.supervisor.switchTo('osaka');
  await scene.pass(100);
  const { gateway, ms } = await wish;
  assert.is(gateway, 'osaka');
  assert.ok(ms > 0 && ms < 100);
  assert.is(scene.last('switched')?.cause, 'operator');
  assert.equal(await scene.supervisor.switchTo('osaka'), { gateway: 'osaka', ms: 0 });
  const unknown = await scene.supervisor.switchTo('kyoto').catch((error: VpnrError) => error.code);
  assert.is(unknown, 'USAGE');
  await stopped(scene);
});

test('a switch that comes to nothing, is overtaken by another or by the end is told so', async () => {
  const code = (wish: Promise<unknown>) => wish.then(String, (error: VpnrError) => error.code);
  const scene = await connected({ gateways: 3 });
  fails(1)(scene);
  await scene.carry(20_000);
  const overtaken = code(scene.supervisor.switchTo('osaka'));
  const late = code(scene.supervisor.switchTo('osaka'));
  assert.is(await overtaken, 'GATEWAY_TIMEOUT');
  await scene.pass(21_000);
  assert.is(await late, 'GATEWAY_TIMEOUT');
  assert.is(scene.supervisor.status().gateway, 'tokyo');
  const cut = code(scene.supervisor.switchTo('osaka'));
  await stopped(scene);
  assert.is(await cut, 'GATEWAY_TIMEOUT');
  assert.is(await code(scene.supervisor.switchTo('nagoya')), 'GATEWAY_TIMEOUT');
  assert.is(scene.clock.pending, 0);
});

test('stops at any moment of a switch', () =>
  stoppedDuring(scene => {
    scene.supervisor.switchTo('osaka').catch(() => {});
  }));

// --- The relay

test('a relay that is restarted gives new keys, and no gateway is blamed meanwhile', async () => {
  for (const announced of [true, false]) await restart(announced);
});

async function restart(announced: boolean): Promise<void> {
  const scene = await connected();
  if (announced) scene.supervisor.drain();
  await scene.carry(100);
  scene.endRelay();
  await scene.carry(3000);
  assert.is(scene.told('relay-drain').length, announced ? 1 : 0);
  assert.equal(
    scene.told('relay-lost').map(({ message }) => message),
    ['lost', 'nobody listens'],
    'each once',
  );
  // Whoever comes while it starts may be turned away in another manner.
  scene.relay = 'drops';
  await scene.carry(120);
  assert.is(scene.last('relay-lost')?.message, 'dropped');
  scene.relay = 'answers';
  scene.received = announced ? new Uint8Array(40) : undefined;
  await scene.carry(200);
  assert.is(scene.last('relay-session')?.keys, 'fresh');
  assert.equal(
    scene.bindings.map(({ resumed }) => resumed),
    [undefined, { received: scene.received }],
  );
  assert.ok(scene.gone.length > 0 && !scene.gone.includes(false));
  assert.equal([...scene.told('gateway-failed'), ...scene.told('stuck'), ...scene.told('switched')], []);
  assert.is(scene.told('connected').length, 1);
  await stopped(scene);
}

test('stops at any moment while the relay is away or comes back', async () => {
  await stoppedDuring(scene => scene.endRelay());
  await stoppedDuring(async scene => {
    scene.endRelay();
    await scene.pass(1000);
    scene.relay = 'answers';
  });
});

test('a lost control connection is opened again, while data goes on', async () => {
  for (const byRelay of [true, false]) {
    const scene = await connected();
    scene.loseControl(byRelay);
    await scene.carry(300);
    assert.is(scene.told('relay-lost').length, 1);
    assert.is(scene.last('relay-session')?.keys, 'kept');
    assert.equal(scene.gone, byRelay ? [true, false] : [false]);
    // A gateway that fails now is noticed as always, although the relay was excused for a while.
    fails(0)(scene);
    await scene.carry(600);
    assert.is(scene.last('switched')?.gateway, 'osaka');
    await stopped(scene);
  }
});

test('a gateway that leads to no relay is left for one that does', async () => {
  const scene = new Scene();
  scene.site(0).path = false;
  scene.supervisor.start();
  await scene.pass(6000);
  assert.is(scene.last('gateway-failed')?.reason, 'relay-unreachable');
  assert.is(scene.last('connected')?.gateway, 'osaka');
  await stopped(scene);
});

test('the tunnel is lost while the device gets its first address: the connection is announced by the next one', async () => {
  let given = () => {};
  const scene = new Scene({ gateways: 1, setAddress: () => new Promise(resolve => (given = resolve)) });
  scene.supervisor.start();
  await scene.pass(60);
  assert.is(scene.bindings.length, 1);
  scene.site(0).ike = 'refuses';
  scene.tunnel(0).events.closed(new VpnrError('PEER_CLOSED', 'closed'), true);
  given();
  await settled();
  assert.equal(scene.told('connected'), []);
  scene.site(0).ike = 'answers';
  await scene.carry(3000);
  assert.is(scene.told('connected').length, 1);
  const { state, gateways } = scene.supervisor.status();
  assert.is(state, 'connected');
  assert.type(gateways[0]?.roundTripMs, 'number');
  await stopped(scene);
});

// --- The network under it

test('a link that goes down is left at once, and what can move with the network does', async () => {
  const scene = await connected();
  scene.supervisor.linkDown([0]);
  assert.equal(scene.last('gateway-failed')?.reason, 'link');
  await scene.carry(200);
  assert.is(scene.supervisor.status().gateway, 'osaka');
  scene.supervisor.networkChanged([
    { path: 0, reachable: true },
    { path: 1, reachable: true },
  ]);
  assert.is(scene.moves, 2);
  await scene.carry(1000);
  assert.is(scene.tunnels.size, 2);
  assert.equal(scene.told('connect-failed'), []);
  await stopped(scene);
});

test('a gateway without MOBIKE, and one that is just being asked, is connected anew from the new network', async () => {
  const scene = new Scene();
  scene.site(0).mobike = false;
  scene.site(1).ike = 'is silent';
  scene.supervisor.start();
  await scene.carry(1000);
  const before = scene.tunnel(0);
  scene.site(1).ike = 'answers';
  scene.supervisor.networkChanged([
    { path: 0, reachable: true },
    { path: 1, reachable: true },
  ]);
  await scene.carry(2000);
  assert.is.not(scene.tunnel(0), before);
  assert.equal(
    scene.supervisor
      .status()
      .gateways.map(({ state }) => state)
      .sort(),
    ['active', 'standby'],
  );
  assert.equal(scene.told('connect-failed'), [], 'nobody is to blame for that');
  await stopped(scene);
});

test('after a sleep, all paths are asked', async () => {
  const scene = await connected();
  scene.supervisor.resumed(60_000);
  assert.equal(scene.told('resumed'), [{ event: 'resumed', ms: 60_000 }]);
  assert.is(scene.moves, 2);
  await scene.carry(500);
  assert.is(scene.supervisor.status().state, 'connected');
  await stopped(scene);
});

test('stops at any moment of a change of the network', () =>
  stoppedDuring(scene => {
    scene.site(0).mobike = false;
    scene.supervisor.networkChanged([
      { path: 0, reachable: true },
      { path: 1, reachable: false },
    ]);
  }));

test('what is reported after the end has no effect', async () => {
  const scene = await connected();
  await stopped(scene);
  const { supervisor } = scene;
  const [told, calls] = [scene.events.length, scene.calls.length];
  supervisor.receiveIke(0, new Uint8Array(28));
  supervisor.probeReply(0, 1, 10, 0);
  supervisor.suspected();
  supervisor.switched(0, true);
  supervisor.traffic(1, 1);
  supervisor.pathError(0);
  supervisor.drain();
  supervisor.linkDown([0]);
  supervisor.networkChanged([{ path: 0, reachable: true }]);
  supervisor.resumed(1000);
  await scene.pass(10);
  assert.is(scene.events.length, told);
  assert.is(scene.calls.length, calls);
  assert.is(scene.clock.pending, 0);
});

test.run();
