import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import { makeSecret } from '../../src/lab/certificate.js';
import {
  City,
  type Configuration,
  Connection,
  type GatewayName,
  type Host,
  type Lab,
  type LabPlan,
  ROAD_WARRIOR,
  roadWarriorConfiguration,
  SERVER_ADDRESS,
  Stream,
  StrongSwan,
  Transfer,
  until,
  VpnrGateway,
} from '../../src/lab/index.js';
import { assertConfined, figures, PROGRAM, reporting, systemTests, withLab } from './support.js';

const test = systemTests();

/** Each direction carries at least this much. */
const BYTES = 10_000_000;
const FAULT_AT = 5_000_000;
const TRANSFER_MS = 90_000;
/** For what is to happen soon, on a machine that has much else to do. */
const SOON_MS = 30_000;
const INNER_SERVER = '10.20.0.100';
const OUTER = '198.51.100.10';
const IDENTITY = 'gateway.example.net';
const POOL = '10.61.0.0/24';
const NETWORK = '10.20.0.0/16';
/** Bytes a second each way: load, but no measurement. */
const RATE = 2_000_000;

/** One gateway, which nothing translates addresses in front of, and who else there is outside. */
const PLAIN: LabPlan = {
  networks: ['outside', 'inside'],
  hosts: {
    client: { links: { outside: { addresses: ['198.51.100.2/24'] } }, privateRun: true },
    stranger: { links: { outside: { addresses: ['198.51.100.66/24'] } } },
    gateway: {
      links: { outside: { addresses: [`${OUTER}/24`] }, inside: { addresses: ['10.20.0.1/16'] } },
      routes: ['default via 198.51.100.66'],
      privateRun: true,
    },
    server: {
      links: { inside: { addresses: [`${INNER_SERVER}/16`] } },
      routes: [`${POOL} via 10.20.0.1`],
    },
  },
};

interface Scene {
  lab: Lab;
  gateway: VpnrGateway;
  psk: string;
}

/** A gateway that runs, with `settings` beyond the usual, and its client's secret. */
function withGateway(settings: Configuration, body: (scene: Scene) => Promise<void>): Promise<void> {
  return withLab(PLAIN, async lab => {
    const psk = makeSecret(join(lab.host('client').folder, 'gateway.psk'));
    const gateway = new VpnrGateway(lab.host('gateway'), {
      program: PROGRAM,
      address: OUTER,
      identity: IDENTITY,
      pool: POOL,
      networks: [NETWORK],
      clients: [
        { identity: 'client1', psk },
        { identity: 'client2', psk: 'of the other' },
      ],
      settings,
    });
    await gateway.start();
    await body({ lab, gateway, psk });
  });
}

/** `vpnr connect` in the host of the client, without a relay. */
function connect(lab: Lab, settings: Configuration = {}): Connection {
  const client = lab.host('client');
  const file = join(client.folder, 'client.yaml');
  const gateway = {
    name: 'only',
    address: OUTER,
    identity: IDENTITY,
    auth: { psk: { file: 'gateway.psk' } },
  };
  const configuration = {
    name: 'work',
    identity: 'client1',
    gateways: [gateway],
    tunnel: { routes: [NETWORK] },
    ...settings,
  };
  writeFileSync(file, stringify(configuration), { mode: 0o600 });
  return new Connection(client, PROGRAM, file, 'work');
}

/** strongSwan in the host of the client. */
function roadWarrior(
  lab: Lab,
  psk: string,
  rekey?: { childSeconds: number; ikeSeconds: number },
): StrongSwan {
  const options = {
    identity: 'client1',
    psk,
    gateway: { address: OUTER, identity: IDENTITY },
    networks: [NETWORK],
  };
  return new StrongSwan(lab.host('client'), {
    swanctl: roadWarriorConfiguration({ ...options, ...(rekey && { rekey }) }),
  });
}

async function initiate(client: StrongSwan): Promise<void> {
  const result = await client.swanctl('--initiate', '--child', ROAD_WARRIOR, '--timeout', '30');
  assert.is(result.status, 0, result.stdout + result.stderr);
}

function startTransfer(lab: Lab, bytes: number, rate?: number): Promise<Transfer> {
  const [client, server] = [lab.host('client'), lab.host('server')];
  return Transfer.start({ client, server, address: INNER_SERVER, bytes, ...(rate && { rate }) });
}

async function reaches(host: Host, address: string): Promise<boolean> {
  return (await host.try(['ping', '-c', '3', '-i', '0.2', '-W', '5', address])).status === 0;
}

/** The figure of a process that /proc/PID/status has under this name, in MB. */
function memory(process: { pid: number | undefined }, name: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${process.pid}/status`, 'utf8');
  return Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1000;
}

async function statusOf({ gateway }: Pick<Scene, 'gateway'>) {
  const status = await gateway.status();
  return { ...status, first: status.clients[0] };
}

/** The usual city, with gateways of vpnr's own. */
async function withOwnGateways(body: (city: City<GatewayName, VpnrGateway>) => Promise<void>): Promise<void> {
  const city = await City.createOwn({ program: PROGRAM, networks: [NETWORK] });
  await reporting(city.lab, () => body(city));
}

const CITY_FAULTS = { kill: 'is killed', stop: 'is stopped' } as const;
for (const fault of ['kill', 'stop'] as const) {
  test(`a transfer survives when a gateway of vpnr's own ${CITY_FAULTS[fault]}`, () =>
    withOwnGateways(async city => {
      const relay = await city.startRelay();
      const connection = city.connect();
      const connected = await connection.event('connected');
      const { client, server } = city;
      const { tokyo, osaka } = city.gateways;
      const ends = { client, server, address: SERVER_ADDRESS };
      const transfer = await Transfer.start({ ...ends, bytes: BYTES, rate: RATE, untilTold: true });
      await transfer.reached(FAULT_AT, TRANSFER_MS);
      assertConfined('client', connection.process.pid);
      assertConfined('relay', relay.pid);
      assertConfined('gateway', tokyo.pid, osaka.pid);
      await tokyo[fault]();
      const failed = await connection.event('gateway-failed', { gateway: 'tokyo' });
      if (fault === 'stop') assert.is(failed.reason, 'closed-by-gateway');
      const switched = await connection.event('switched', { gateway: 'osaka' });
      assertConfined('client', connection.process.pid);
      assertConfined('relay', relay.pid);
      assertConfined('gateway', osaka.pid);
      transfer.finish();
      const { up, down } = await transfer.result(TRANSFER_MS);
      const pause = Math.max(up.longestPauseMs, down.longestPauseMs).toFixed(0);
      figures(
        `${fault}: connected in ${connected.ms} ms; detected ${failed.ms} ms after the last sign of life ` +
          `(${failed.reason}), switched ${switched.ms} ms later; TCP paused ${pause} ms`,
      );
      assert.is((await connection.stop()).status, 0);
    }));
}

test('drained, a gateway is left by its clients while everything goes on', () =>
  withOwnGateways(async city => {
    await city.startRelay();
    const connection = city.connect();
    assert.is((await connection.event('connected')).gateway, 'tokyo');
    const { client, server } = city;
    const ends = { client, server, address: SERVER_ADDRESS };
    const [transfer, stream] = [
      await Transfer.start({ ...ends, bytes: 1, rate: RATE, untilTold: true }),
      await Stream.start(ends),
    ];
    await transfer.reached(RATE, TRANSFER_MS);
    const drained = await city.lab.host('tokyo').run([...PROGRAM, 'drain', 'gateway', '--json']);
    assert.equal(JSON.parse(drained), { moved: 1, left: 0 });
    const { cause, ms } = await connection.event('switched', { gateway: 'osaka' });
    assert.is(cause, 'drain');
    assert.ok((await city.gateways.tokyo.status()).draining);
    await transfer.reached(2 * RATE, TRANSFER_MS);
    const { up, down } = await stream.finish();
    transfer.finish();
    await transfer.result(TRANSFER_MS);
    assert.not(connection.events.some(({ event }) => event === 'gateway-failed'));
    figures(`drain: switched in ${ms} ms; ${up.lost + down.lost} of ${up.sent + down.sent} datagrams lost`);
    assert.is((await connection.stop()).status, 0);
  }));

test('drained, a relay is expected back, and its clients go on when it is', () =>
  withOwnGateways(async city => {
    const relay = await city.startRelay();
    const connection = city.connect();
    const { address } = await connection.event('connected');
    const { client, server } = city;
    const ends = { client, server, address: SERVER_ADDRESS };
    const transfer = await Transfer.start({ ...ends, bytes: 1, rate: RATE, untilTold: true });
    await transfer.reached(RATE, TRANSFER_MS);
    const drained = await city.relay.run([...PROGRAM, 'drain', 'relay', '--json']);
    assert.equal(JSON.parse(drained), { told: 1 });
    await connection.event('relay-drain');
    await transfer.reached(2 * RATE, TRANSFER_MS);
    await relay.stop();
    await city.startRelay();
    await connection.event('relay-session', { timeoutMs: TRANSFER_MS });
    const { up, down } = transfer.arrived;
    await transfer.reached(Math.min(up, down) + RATE, TRANSFER_MS);
    transfer.finish();
    const { up: there, down: back } = await transfer.result(TRANSFER_MS);
    assert.is((await connection.status()).address, address);
    figures(
      `relay restarted: TCP paused ${Math.max(there.longestPauseMs, back.longestPauseMs).toFixed(0)} ms`,
    );
    assert.is((await connection.stop()).status, 0);
  }));

test('both ends renew all keys under load', () =>
  withGateway({ lifetimes: { ike: '10s', child: '10s' } }, async scene => {
    const { lab } = scene;
    const connection = connect(lab, { lifetimes: { ike: '11s', child: '11s' } });
    await connection.event('connected');
    const transfer = await startTransfer(lab, 28 * RATE, RATE);
    const { up, down } = await transfer.result(TRANSFER_MS);
    const { first, traffic } = await statusOf(scene);
    assert.ok(first !== undefined && first.rekeys.ike >= 2 && first.rekeys.child >= 2, JSON.stringify(first));
    figures(
      `vpnr to vpnr: ${first?.rekeys.ike} IKE and ${first?.rekeys.child} child rekeyings in 28 s, longest pause ` +
        `${Math.max(up.longestPauseMs, down.longestPauseMs).toFixed(0)} ms, drops ${JSON.stringify(traffic.drops)}`,
    );
    assert.is((await connection.stop()).status, 0);
    await until(
      'the client has left',
      SOON_MS,
      async () => (await statusOf(scene)).first === undefined || undefined,
    );
  }));

test('strongSwan as the client, with rekeyings of both kinds every few seconds under load', () =>
  withGateway({ lifetimes: { ike: '10s', child: '10s' } }, async scene => {
    const { lab, gateway, psk } = scene;
    const client = roadWarrior(lab, psk, { childSeconds: 3, ikeSeconds: 5 });
    await client.start();
    await initiate(client);
    assert.is((await statusOf(scene)).first?.address, '10.61.0.2');
    const transfer = await startTransfer(lab, 25 * RATE, RATE);
    const { up, down } = await transfer.result(TRANSFER_MS);
    const { first, traffic } = await statusOf(scene);
    assert.ok(first !== undefined && first.rekeys.ike >= 4 && first.rekeys.child >= 6, JSON.stringify(first));
    figures(
      `strongSwan to vpnr: ${first?.rekeys.ike} IKE and ${first?.rekeys.child} child rekeyings in 25 s, longest pause ` +
        `${Math.max(up.longestPauseMs, down.longestPauseMs).toFixed(0)} ms, drops ${JSON.stringify(traffic.drops)}`,
    );

    // It comes back after its own failure: the same address, and no second session.
    await client.kill();
    await client.start();
    await initiate(client);
    assert.ok(await reaches(lab.host('client'), INNER_SERVER));
    const { clients } = await gateway.status();
    assert.equal(
      clients.map(({ client: identity, address }) => [identity, address]),
      [['client1', '10.61.0.2']],
    );
    await gateway.stop();
    await until('strongSwan knows', SOON_MS, async () => (await client.associations()) === '' || undefined);
  }));

test('a client with a wrong key is refused, and so is whoever goes on guessing', () =>
  withGateway({}, async scene => {
    const { lab, psk } = scene;
    const guesser = roadWarrior(lab, 'a guess');
    await guesser.start();
    for (let guess = 1; guess <= 6; guess++) {
      const { status, stdout } = await guesser.swanctl(
        '--initiate',
        '--child',
        ROAD_WARRIOR,
        '--timeout',
        '20',
      );
      assert.is.not(status, 0);
      assert.match(stdout, 'AUTHENTICATION_FAILED');
    }
    assert.is((await statusOf(scene)).refused.authentications, 6);
    const told = () =>
      scene.gateway.process?.lines.filter(line => line.includes('AUTHENTICATION_FAILED')) ?? [];
    await until('it is told', SOON_MS, () => told().length >= 5 || undefined);
    await guesser.stop();
    // The right key does not help at this address now.
    const owner = roadWarrior(lab, psk);
    await owner.start();
    const { stdout } = await owner.swanctl('--initiate', '--child', ROAD_WARRIOR, '--timeout', '20');
    assert.match(stdout, 'AUTHENTICATION_FAILED');
    assert.is(told().length, 5, 'what is blocked is not told again');
  }));

test('a client connects and carries traffic under 100,000 forged requests and more', () =>
  withGateway({}, async scene => {
    const { lab, gateway } = scene;
    const before = memory(gateway, 'VmRSS');
    const program = fileURLToPath(new URL('./forger.js', import.meta.url));
    const forger = lab.host('stranger').spawn([process.execPath, program, OUTER, '100000', '10000']);
    await until(
      'the gateway is under pressure',
      SOON_MS,
      async () => (await gateway.status()).cookies || undefined,
    );
    const connection = connect(lab);
    const { ms } = await connection.event('connected');
    const transfer = await startTransfer(lab, 10_000_000);
    const { ms: transferMs } = await transfer.result(TRANSFER_MS);
    const during = await gateway.status();
    assert.ok(forger.running, 'the forger is still at work');
    assert.ok(during.halfOpen <= 256);
    forger.write('enough\n');
    await forger.line(/done/, TRANSFER_MS);
    const after = await statusOf(scene);
    assert.is(after.first?.client, 'client1');
    const grown = memory(gateway, 'VmHWM') - before;
    assert.ok(grown < 100, `${grown} MB more`);
    figures(
      `under forged requests: connected in ${ms} ms, 10 MB each way in ${transferMs.toFixed(0)} ms, ` +
        `${during.halfOpen} half-open; memory ${before.toFixed(0)} MB before, ` +
        `${memory(gateway, 'VmHWM').toFixed(0)} MB at most, ${memory(gateway, 'VmRSS').toFixed(0)} MB after`,
    );
  }));

test('a gateway puts everything back, also after SIGKILL, and says why it cannot start', () =>
  withLab(PLAIN, async lab => {
    const host = lab.host('gateway');
    const before = await host.network();
    const forwarding = () => host.run(['cat', '/proc/sys/net/ipv4/ip_forward']);
    assert.is(await forwarding(), '0\n');
    const options = { address: OUTER, identity: IDENTITY, pool: POOL, networks: [NETWORK], program: PROGRAM };
    const make = (settings: Configuration) =>
      new VpnrGateway(host, { ...options, clients: [{ identity: 'client1', psk: 'secret' }], settings });
    const gateway = make({});
    await gateway.start();
    assert.is(await forwarding(), '1\n');
    await gateway.kill();
    await gateway.start();
    await gateway.stop();
    assert.equal(await host.network(), before);
    assert.is(await forwarding(), '0\n');
    assert.not.ok(existsSync(join(host.runFolder, 'vpnr', 'gateway.journal')));

    const refusal = async (settings: Configuration) => {
      make(settings);
      const file = join(host.folder, 'gateway.yaml');
      const { status, stdout } = await host.try([...PROGRAM, 'gateway', '-c', file, '--json']);
      return [status, JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}').code];
    };
    assert.equal(await refusal({ pool: '10.61.0.0/31' }), [3, 'CONFIG_INVALID']);
    assert.equal(await refusal({ pool: '10.20.0.0/15' }), [3, 'CONFIG_INVALID']);
    assert.equal(await refusal({ clients: [{ identity: 'a', psk: { file: 'none' } }] }), [
      3,
      'SECRET_NOT_FOUND',
    ]);
    assert.equal(await refusal({ pool: '198.51.0.0/16', listen: '10.20.0.1' }), [4, 'POOL_OVERLAPS']);
    assert.equal(await refusal({ listen: '192.0.2.1' }), [4, 'SYSTEM_CALL']);
    const squatter = "const s=require('dgram').createSocket('udp4');s.bind(4500,()=>console.log('bound'))";
    const other = host.spawn([process.execPath, '-e', squatter], { name: 'squatter' });
    await other.line(/bound/);
    assert.equal(await refusal({}), [4, 'ADDRESS_IN_USE']);
    await other.kill();
    assert.equal(await host.network(), before);
  }));

test.run();
