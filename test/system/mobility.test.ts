// The client's own network changes under a running transfer: the tunnel goes on at another address.
import * as assert from 'uvu/assert';
import {
  City,
  GATEWAYS,
  type Gateway,
  type GatewayName,
  gatewayConfiguration,
  injectFault,
  repairFault,
  SERVER_ADDRESS,
  StrongSwan,
  Transfer,
  until,
  VpnrGateway,
} from '../../src/lab/index.js';
import { figures, PROGRAM, reporting, systemTests } from './support.js';

const test = systemTests();
const BYTES = 60_000_000;
const FAULT_AT = 20_000_000;
const TRANSFER_MS = 60_000;
/** Bytes a second of a transfer under which the client sleeps. */
const SLEEPER_RATE = 2_000_000;
/** A gateway asks after 5 s of silence, and gives up 15 s later. */
const GIVEN_UP_MS = 60_000;
/** TCP sends again about 0.2, 0.6, 1.4, 3, 6.2 and 12.6 s after the line was cut: after this outage it would wait for 5 s. */
const OUTAGE_MS = 7500;
const BACK_MS = 4000;
const KILLED_MS = 2000;
const INNER_NETWORKS = ['10.20.0.0/16'];
/** Between the client and the Internet; `ports`: all that its packets have come from. */
const NAT = `table ip home {
  set ports { type inet_service; flags dynamic; }
  chain translation { type nat hook postrouting priority srcnat; ip saddr 192.0.2.0/24 masquerade random; }
  chain seen { type filter hook postrouting priority 300; udp dport 4500 add @ports { udp sport }; }
}`;

type MakeGateway = Parameters<typeof City.build<GatewayName, Gateway>>[0]['makeGateway'];

const KINDS: Record<string, MakeGateway> = {
  'strongSwan gateways': (host, site) => new StrongSwan(host, { swanctl: gatewayConfiguration(site) }),
  'strongSwan gateways without MOBIKE': (host, site) =>
    new StrongSwan(host, { swanctl: gatewayConfiguration({ ...site, mobike: false }) }),
  'gateways of our own': (host, site) =>
    new VpnrGateway(host, { ...site, program: PROGRAM, networks: INNER_NETWORKS }),
};

for (const [kind, makeGateway] of Object.entries(KINDS)) {
  test(`the client gets other addresses under a transfer: ${kind}`, async () => {
    const city = await City.build<GatewayName, Gateway>({ program: PROGRAM, sites: GATEWAYS, makeGateway });
    await reporting(city.lab, async () => {
      await city.startRelay();
      const connection = city.connect();
      const connected = await connection.event('connected');
      const { client, server } = city;
      const transfer = await Transfer.start({
        client,
        server,
        address: SERVER_ADDRESS,
        bytes: BYTES,
        untilTold: true,
      });
      const { name } = client.link('access');
      let [before, due] = ['192.0.2.2', FAULT_AT];
      for (const address of ['192.0.2.77', '192.0.2.78', '192.0.2.2']) {
        await transfer.reached(due, TRANSFER_MS);
        // As a DHCP client does it.
        await client.run([
          ...[
            'sh',
            '-c',
            'ip address del $1/24 dev $3; ip address add $2/24 dev $3; ip route add default via 192.0.2.1',
          ],
          ...['sh', before, address, name],
        ]);
        due = Math.min(transfer.arrived.up, transfer.arrived.down) + FAULT_AT;
        before = address;
      }
      await transfer.reached(due, TRANSFER_MS);
      transfer.finish();
      const result = await transfer.result(TRANSFER_MS);
      const status = await connection.status();
      assert.is(status.state, 'connected');
      assert.is(status.address, connected.address, 'the address stays');
      const pause = Math.max(result.up.longestPauseMs, result.down.longestPauseMs).toFixed(0);
      figures(`${kind}: TCP paused ${pause} ms, ${status.switches} switches`);
      assert.is((await connection.stop()).status, 0);
    });
  });
}

for (const [kind, makeGateway] of Object.entries(KINDS)) {
  test(`a NAT forgets its mappings under a transfer: ${kind}`, async () => {
    const city = await City.build<GatewayName, Gateway>({ program: PROGRAM, sites: GATEWAYS, makeGateway });
    await reporting(city.lab, async () => {
      const { client, internet, server } = city;
      await internet.run(['nft', '-f', '-'], { input: NAT });
      const ports = async () => {
        const stdout = await internet.run(['nft', '-j', 'list', 'set', 'ip', 'home', 'ports']);
        const { nftables } = JSON.parse(stdout) as { nftables: { set?: { elem?: number[] } }[] };
        return nftables.flatMap(({ set }) => set?.elem ?? []).length;
      };
      /** While UDP's mappings live for 0 s, each packet gets one of its own. */
      const keepMappings = (seconds: number) =>
        internet.run([
          ...[
            'sh',
            '-c',
            'cd /proc/sys/net/netfilter; for i in nf_conntrack_udp_timeout*; do echo $1 > $i; done',
          ],
          ...['sh', String(seconds)],
        ]);
      await city.startRelay();
      const connection = city.connect();
      const connected = await connection.event('connected');
      const transfer = await Transfer.start({
        client,
        server,
        address: SERVER_ADDRESS,
        bytes: BYTES,
        untilTold: true,
      });
      for (let due = FAULT_AT, times = 0; times < 2; times++) {
        await transfer.reached(due, TRANSFER_MS);
        const before = await ports();
        await keepMappings(0);
        await until('mappings are new', TRANSFER_MS, async () => (await ports()) > before || undefined);
        await keepMappings(120);
        due = Math.min(transfer.arrived.up, transfer.arrived.down) + FAULT_AT;
      }
      await transfer.reached(3 * FAULT_AT, TRANSFER_MS);
      transfer.finish();
      const result = await transfer.result(TRANSFER_MS);
      const status = await connection.status();
      assert.is(status.state, 'connected');
      assert.is(status.address, connected.address, 'the address stays');
      const pause = Math.max(result.up.longestPauseMs, result.down.longestPauseMs).toFixed(0);
      figures(`${kind}, NAT: TCP paused ${pause} ms, ${status.switches} switches`);
      assert.is((await connection.stop()).status, 0);
    });
  });
}

/** One that is slow enough for a ring to keep what an outage stops. */
async function startTransfer<Kind extends Gateway>({
  client,
  server,
}: City<GatewayName, Kind>): Promise<Transfer> {
  const transfer = await Transfer.start({
    client,
    server,
    address: SERVER_ADDRESS,
    bytes: SLEEPER_RATE,
    rate: SLEEPER_RATE,
    untilTold: true,
  });
  await transfer.reached(SLEEPER_RATE, TRANSFER_MS);
  return transfer;
}

/** Seconds until so much more has arrived each way. */
async function secondsUntil(transfer: Transfer, bytes: number, timeoutMs: number): Promise<string> {
  const begun = performance.now();
  const { up, down } = transfer.arrived;
  await transfer.reached(Math.max(up, down) + bytes, timeoutMs);
  return ((performance.now() - begun) / 1000).toFixed(1);
}

async function pass(ms: number): Promise<void> {
  const begun = performance.now();
  await until('time passes', 2 * ms, () => performance.now() - begun >= ms || undefined);
}

const NAMES = ['tokyo', 'osaka'] as const;

test('after an outage TCP goes on at once, and does not wait for its own timer', async () => {
  const city = await City.createOwn({ program: PROGRAM, networks: INNER_NETWORKS });
  await reporting(city.lab, async () => {
    await city.startRelay();
    const connection = city.connect();
    await connection.event('connected');
    const transfer = await startTransfer(city);
    await Promise.all(NAMES.map(name => injectFault(city, name, 'link-down')));
    await pass(OUTAGE_MS);
    await Promise.all(NAMES.map(name => repairFault(city, name, 'link-down')));
    const seconds = await secondsUntil(transfer, SLEEPER_RATE / 4, BACK_MS);
    figures(
      `an outage of ${OUTAGE_MS / 1000} s: a quarter of a second's bytes each way ${seconds} s after its end`,
    );
    transfer.finish();
    await transfer.result(TRANSFER_MS);
    assert.is((await connection.stop()).status, 0);
  });
});

for (const kind of ['strongSwan gateways', 'gateways of our own']) {
  test(`a gateway that was killed and is the only one to come back is connected anew soon: ${kind}`, async () => {
    const makeGateway = KINDS[kind] as MakeGateway;
    const city = await City.build<GatewayName, Gateway>({ program: PROGRAM, sites: GATEWAYS, makeGateway });
    await reporting(city.lab, async () => {
      await city.startRelay();
      const connection = city.connect();
      const connected = await connection.event('connected');
      const transfer = await startTransfer(city);
      await Promise.all(NAMES.map(name => injectFault(city, name, 'kill')));
      await pass(KILLED_MS);
      await repairFault(city, 'tokyo', 'kill');
      const seconds = await secondsUntil(transfer, SLEEPER_RATE / 4, BACK_MS);
      figures(
        `${kind}, killed for ${KILLED_MS / 1000} s: a quarter of a second's bytes each way ${seconds} s after that`,
      );
      transfer.finish();
      await transfer.result(TRANSFER_MS);
      assert.is((await connection.status()).address, connected.address, 'the address stays');
      assert.is((await connection.stop()).status, 0);
    });
  });
}

test('a client that stood still, as a machine asleep does, until both gateways had given it up, goes on', async () => {
  const settings = { silence: '5s' };
  const city = await City.createOwn({
    program: PROGRAM,
    networks: INNER_NETWORKS,
    settings: { tokyo: settings, osaka: settings },
  });
  await reporting(city.lab, async () => {
    await city.startRelay();
    const connection = city.connect();
    const connected = await connection.event('connected');
    const transfer = await startTransfer(city);
    connection.process.signal('SIGSTOP');
    await until('the gateways give it up', GIVEN_UP_MS, async () => {
      const gateways = await Promise.all(Object.values(city.gateways).map(gateway => gateway.status()));
      return gateways.every(({ clients }) => clients.length === 0) || undefined;
    });
    connection.process.signal('SIGCONT');
    const seconds = await secondsUntil(transfer, 2 * SLEEPER_RATE, TRANSFER_MS);
    transfer.finish();
    await transfer.result(TRANSFER_MS);
    const status = await connection.status();
    assert.is(status.state, 'connected');
    assert.is(status.address, connected.address, 'the address stays');
    figures(`asleep until given up: ${2 * SLEEPER_RATE} bytes more each way ${seconds} s after it woke`);
    assert.is((await connection.stop()).status, 0);
  });
});

test.run();
