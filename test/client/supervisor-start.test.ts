import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VpnrError } from '../../src/errors.js';
import { settled } from '../support/clock.js';
import { connected, fails, LEASE, Scene, START_MS, stopped, stoppedDuring } from './supervised.js';

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

test.run();
