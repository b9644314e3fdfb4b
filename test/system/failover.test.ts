import * as assert from 'uvu/assert';
import {
  type City,
  type Configuration,
  type Connection,
  FAULTS,
  type Fault,
  type GatewayName,
  injectFault,
  repairFault,
  SERVER_ADDRESS,
  Stream,
  Transfer,
  type TransferResult,
  until,
} from '../../src/lab/index.js';
import { figures, systemTests, withCity } from './support.js';

const test = systemTests();
/** Each direction carries at least this much, and goes on until the test has seen what it waits for. */
const BYTES = 20_000_000;
const FAULT_AT = 8_000_000;
/**
 * Bytes a second. As fast as it goes, a gateway on a machine with other work gets too little of a processor to answer in time, and
 * is left although nobody has hurt it.
 */
const RATE = 5_000_000;
const TRANSFER_MS = 90_000;
const STANDBY_MS = 20_000;

const OTHER: Record<GatewayName, GatewayName> = { tokyo: 'osaka', osaka: 'tokyo' };

function startTransfer({ client, server }: City): Promise<Transfer> {
  return Transfer.start({
    client,
    server,
    address: SERVER_ADDRESS,
    bytes: BYTES,
    rate: RATE,
    untilTold: true,
  });
}

/** The gateway that carries the traffic. Events of before are not looked for any more. */
async function carrier(connection: Connection): Promise<GatewayName> {
  const { gateway } = await connection.status();
  assert.ok(gateway === 'tokyo' || gateway === 'osaka', `${gateway} carries the traffic`);
  connection.skipEvents();
  return gateway;
}

/** Waits until the traffic could go through this gateway as well. */
async function standby(connection: Connection, gateway: GatewayName): Promise<void> {
  await until(`${gateway} is on standby`, STANDBY_MS, async () => {
    const { gateways } = await connection.status();
    return (
      gateways.some(({ name, state, roundTripMs }) => {
        return name === gateway && state === 'standby' && roundTripMs !== null;
      }) || undefined
    );
  });
}

/** Lets a transfer end, which must be whole. */
async function finish(transfer: Transfer): Promise<TransferResult> {
  transfer.finish();
  const result = await transfer.result(TRANSFER_MS);
  assert.ok(result.up.bytes >= BYTES && result.down.bytes >= BYTES);
  return result;
}

function pauses({ up, down, ms }: TransferResult): string {
  const pause = Math.max(up.longestPauseMs, down.longestPauseMs).toFixed(0);
  const megabytes = ((up.bytes + down.bytes) / 1e6).toFixed(0);
  return `TCP paused ${pause} ms, ${megabytes} MB in ${(ms / 1000).toFixed(1)} s, content intact`;
}

/** Connects, transfers in both directions, and lets the gateway fail in the middle. `name` is for the figures. */
function survives(
  name: string,
  fault: Fault,
  edit: (configuration: Configuration) => void = () => {},
  relay: Configuration = {},
) {
  return withCity({}, async city => {
    await city.startRelay({ ...city.relayConfiguration(), ...relay });
    const configuration = city.clientConfiguration();
    edit(configuration);
    const connection = city.connect(configuration);
    const connected = await connection.event('connected');
    assert.is(connected.gateway, 'tokyo');
    const transfer = await startTransfer(city);
    await transfer.reached(FAULT_AT, TRANSFER_MS);
    const failing = await carrier(connection);
    await injectFault(city, failing, fault);
    const failed = await connection.event('gateway-failed', { gateway: failing });
    const switched = await connection.event('switched', { gateway: OTHER[failing] });
    const result = await finish(transfer);
    const status = await connection.status();
    assert.is(status.gateway, OTHER[failing]);
    assert.is(status.state, 'connected');
    assert.is(status.address, connected.address, 'the address stays');
    figures(
      `${name}: connected in ${connected.ms} ms; detected ${failed.ms} ms after the last sign of life ` +
        `(${failed.reason}), switched ${switched.ms} ms later; ${pauses(result)}`,
    );
    assert.is((await connection.stop()).status, 0);
  });
}

for (const fault of Object.keys(FAULTS) as Fault[]) {
  test(`a transfer survives when ${FAULTS[fault]}`, () => survives(fault, fault));
}

for (const [mode, faults] of [
  ['cold', ['kill', 'link-down', 'blackhole-in', 'leased-line']],
  ['standby', ['leased-line']],
  ['duplicate', ['leased-line']],
] as const) {
  for (const fault of faults) {
    test(`a transfer survives in mode ${mode} when ${FAULTS[fault]}`, () =>
      survives(`${mode}, ${fault}`, fault, configuration => {
        configuration.failover.mode = mode;
      }));
  }
}

test('the operator moves a transfer, and nobody notices', () =>
  withCity({}, async city => {
    await city.startRelay();
    const connection = city.connect();
    await connection.event('connected');
    const transfer = await startTransfer(city);
    await transfer.reached(FAULT_AT, TRANSFER_MS);
    const wanted = OTHER[await carrier(connection)];
    await standby(connection, wanted);
    const unknown = await city.vpnr('switch', 'kyoto', '--name', 'work');
    assert.is(unknown.status, 2);
    assert.match(unknown.stderr, /USAGE: there is no gateway kyoto\n {2}name one of tokyo, osaka/);
    const { status, stdout } = await city.vpnr('switch', wanted, '--name', 'work', '--json');
    assert.is(status, 0);
    assert.is(JSON.parse(stdout).gateway, wanted);
    const switched = await connection.event('switched', { gateway: wanted });
    assert.is(switched.cause, 'operator');
    const result = await finish(transfer);
    figures(`operator: switched in ${switched.ms} ms; ${pauses(result)}`);
    assert.is((await connection.stop()).status, 0);
  }));

for (const fault of Object.keys(FAULTS) as Fault[]) {
  test(`a transfer survives in sealed mode when ${FAULTS[fault]}`, () =>
    survives(`sealed, ${fault}`, fault, configuration => {
      configuration.relay.mode = 'sealed';
    }));

  test(`a transfer survives in ipip mode when ${FAULTS[fault]}`, () =>
    survives(
      `ipip, ${fault}`,
      fault,
      configuration => {
        configuration.relay.mode = 'ipip';
        configuration.relay.trust_network = true;
      },
      { trust_network: true },
    ));
}

test('a transfer survives with an address of the device of its own', () =>
  survives('own address', 'kill', configuration => {
    configuration.tunnel.address = '192.168.77.2/32';
  }));

for (const suite of ['aes256gcm16', 'aes128gcm16', 'aes256-sha256', 'aes128-sha256']) {
  test(`strongSwan and the packet core understand each other in ${suite}`, () =>
    withCity({ gateways: { espProposals: [suite] } }, async city => {
      await city.startRelay();
      const connection = city.connect();
      await connection.event('connected');
      const { client, server } = city;
      const transfer = await Transfer.start({ client, server, address: SERVER_ADDRESS, bytes: 5_000_000 });
      await transfer.result(TRANSFER_MS);
      const { drops } = (await connection.status()).traffic;
      assert.is(drops['rx-auth'] ?? 0, 0);
      assert.is((await connection.stop()).status, 0);
    }));
}

test('a second failure brings the connection back to the first gateway, and a third one away again', () =>
  withCity({}, async city => {
    await city.startRelay();
    const connection = city.connect();
    await connection.event('connected');
    const transfer = await startTransfer(city);
    for (let failures = 0; failures < 3; failures++) {
      const { up, down } = transfer.arrived;
      await transfer.reached(Math.min(up, down) + FAULT_AT / 2, TRANSFER_MS);
      const failing = await carrier(connection);
      const next = OTHER[failing];
      await standby(connection, next);
      await injectFault(city, failing, 'kill');
      const failed = await connection.event('gateway-failed', { gateway: failing });
      const switched = await connection.event('switched', { gateway: next });
      figures(`${failing} to ${next}: detected ${failed.ms} ms, switched ${switched.ms} ms`);
      await repairFault(city, failing, 'kill');
    }
    figures(`three failures: ${pauses(await finish(transfer))}`);
    assert.is((await connection.stop()).status, 0);
  }));

/** What is said: where tunnels are kept up there is nothing to connect as yet, else the next attempt is waited for. */
for (const [mode, said] of [
  ['cold', 'waiting'],
  ['replay', 'stuck'],
] as const) {
  test(`with all gateways down it says so, and goes on when one is back: ${mode}`, () =>
    withCity({}, async city => {
      await city.startRelay();
      const configuration = city.clientConfiguration();
      configuration.failover.mode = mode;
      const connection = city.connect(configuration);
      await connection.event('connected');
      const transfer = await startTransfer(city);
      await transfer.reached(FAULT_AT, TRANSFER_MS);
      const other = OTHER[await carrier(connection)];
      await Promise.all([injectFault(city, 'tokyo', 'link-down'), injectFault(city, 'osaka', 'link-down')]);
      await connection.event(said, { timeoutMs: 60_000 });
      await repairFault(city, other, 'link-down');
      const switched = await connection.event('switched', { gateway: other, timeoutMs: 60_000 });
      figures(
        `all down, ${mode}: back ${switched.ms} ms after the failure; ${pauses(await finish(transfer))}`,
      );
      assert.is((await connection.stop()).status, 0);
    }));
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`a transfer survives a restart of the relay by ${signal}, and what is sent meanwhile arrives later`, () =>
    withCity({}, async city => {
      const relay = await city.startRelay();
      const configuration = city.clientConfiguration();
      // However long a busy machine takes to start it.
      configuration.failover.replay = { age: '30s' };
      const connection = city.connect(configuration);
      await connection.event('connected');
      const { client, server } = city;
      const transfer = await startTransfer(city);
      await transfer.reached(FAULT_AT / 2, TRANSFER_MS);
      // So few that a socket has room for all that come at once afterwards.
      const stream = await Stream.start({ client, server, address: SERVER_ADDRESS, rate: 100 });
      await transfer.reached(FAULT_AT, TRANSFER_MS);
      relay.signal(signal);
      await relay.exited;
      await city.startRelay();
      const pause = pauses(await finish(transfer));
      const { up, down } = await stream.finish();
      figures(
        `relay restarted after ${signal}: ${pause}; ${up.lost} datagrams lost there, ${down.lost} back`,
      );
      assert.equal([up.doubled, down.doubled], [0, 0]);
      // But for what a relay that is killed may have delivered in its last moments, and for what TCP's bursts push out of queues.
      assert.ok(up.lost <= down.lost / 4, `${up.lost} and ${down.lost} lost`);
      assert.is((await connection.stop()).status, 0);
    }));
}

test('strongSwan rekeys every few seconds under load', () =>
  withCity({ gateways: { rekey: { childSeconds: 2, ikeSeconds: 5 } } }, async city => {
    await city.startRelay();
    const connection = city.connect();
    await connection.event('connected');
    const transfer = await startTransfer(city);
    // Associations are numbered; the numbers tell how many there have been.
    const count = async (pattern: RegExp) =>
      Math.max(
        0,
        ...[...(await city.gateways.tokyo.associations()).matchAll(pattern)].map(match => Number(match[1])),
      );
    const rekeyed = async () => ({
      ike: (await count(/^client-1: #(\d+)/gm)) - 1,
      child: (await count(/^\s+networks: #(\d+)/gm)) - 1,
    });
    let due = 0;
    for (let seen = await rekeyed(); seen.ike < 2 || seen.child < 5; seen = await rekeyed()) {
      due += 5_000_000;
      await transfer.reached(due, TRANSFER_MS);
    }
    const { ike, child } = await rekeyed();
    figures(`IKE rekeyed ${ike} times, child ${child} times; ${pauses(await finish(transfer))}`);
    // A machine that stands still for longer than detection takes makes one; rekeying would make seven.
    assert.ok((await connection.status()).switches <= 1, 'rekeying is no failure');
    assert.is((await connection.stop()).status, 0);
  }));

test('without a relay the gateway failing is survived by the connection, with another address', () =>
  withCity({}, async city => {
    const configuration = city.clientConfiguration();
    delete configuration.relay;
    const connection = city.connect(configuration);
    const connected = await connection.event('connected');
    assert.match(connected.address, /^10\.61\.0\./);
    await city.client.run(['ping', '-c', '1', '-W', '5', SERVER_ADDRESS]);
    await injectFault(city, 'tokyo', 'kill');
    await connection.event('gateway-failed', { gateway: 'tokyo' });
    const changed = await connection.event('address-changed');
    assert.match(changed.address, /^10\.62\.0\./);
    await city.client.run(['ping', '-c', '1', '-W', '5', SERVER_ADDRESS]);
    assert.is((await connection.status()).gateway, 'osaka');
    assert.is((await connection.stop()).status, 0);
  }));

test.run();
