import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VpnrError } from '../../src/errors.js';
import { settled } from '../support/clock.js';
import { connected, fails, Scene, stopped, stoppedDuring } from './supervised.js';

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

test('a relay that ends again as soon as it is back is found as quickly as before', async () => {
  const scene = await connected();
  for (const downMs of [3000, 600]) {
    scene.endRelay();
    await scene.carry(downMs);
    scene.relay = 'answers';
    await scene.carry(200);
  }
  assert.is(scene.bindings.length, 3);
  await stopped(scene);
});

/** The relay answers no more, neither probes nor, in this manner, on its port; how often the traffic moves in a minute. */
async function movesWithout(relay: Scene['relay'], gateways = 2): Promise<number[]> {
  const scene = await connected({ gateways });
  const { supervisor } = scene;
  const reply = supervisor.probeReply.bind(supervisor);
  const moves = () => scene.calls.filter(([call]) => call === 'activate').length;
  supervisor.probeReply = () => {};
  scene.relay = relay;
  scene.loseControl(false);
  const counts: number[] = [];
  for (let minute = 0; minute < 3; minute++) {
    const before = moves();
    await scene.carry(60_000);
    counts.push(moves() - before);
  }
  scene.relay = 'answers';
  supervisor.probeReply = reply;
  await scene.carry(40_000);
  assert.is(scene.last('relay-session')?.event, 'relay-session');
  assert.is(supervisor.status().gateways.filter(({ state }) => state === 'failed').length, 0);
  await stopped(scene);
  return counts;
}

test('a relay that is away while the gateways live is looked for through each of them, and ever more seldom', async () => {
  for (const relay of ['drops', 'is silent'] as const) {
    for (const gateways of [2, 3]) {
      const [first = 0, , third = 0] = await movesWithout(relay, gateways);
      assert.ok(first >= gateways - 1 && first <= 5 * gateways, `${relay}: ${first} in the first minute`);
      assert.ok(third <= 2 * gateways, `${relay}: ${third} in the third`);
    }
  }
});

test('a relay that turns us away does so by whichever gateway', async () => {
  assert.equal(await movesWithout('turns us away'), [0, 0, 0]);
});

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
