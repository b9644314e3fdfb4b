// The client's own network changes under a running transfer: the tunnel goes on at another address.
import * as assert from 'uvu/assert';
import {
  City,
  GATEWAYS,
  type Gateway,
  type GatewayName,
  gatewayConfiguration,
  SERVER_ADDRESS,
  StrongSwan,
  Transfer,
  VpnrGateway,
} from '../../src/lab/index.js';
import { figures, PROGRAM, reporting, systemTests } from './support.js';

const test = systemTests();
const BYTES = 60_000_000;
const FAULT_AT = 20_000_000;
const TRANSFER_MS = 60_000;
const INNER_NETWORKS = ['10.20.0.0/16'];

type MakeGateway = Parameters<typeof City.build<GatewayName, Gateway>>[0]['makeGateway'];

const KINDS: Record<string, MakeGateway> = {
  'strongSwan gateways': (host, identity) =>
    new StrongSwan(host, { swanctl: gatewayConfiguration(identity) }),
  'strongSwan gateways without MOBIKE': (host, identity) =>
    new StrongSwan(host, { swanctl: gatewayConfiguration({ ...identity, mobike: false }) }),
  'gateways of our own': (host, identity) => {
    const site = Object.values(GATEWAYS).find(({ identity: name }) => name === identity.identity);
    const address = site?.outer ?? '';
    return new VpnrGateway(host, { program: PROGRAM, address, networks: INNER_NETWORKS, ...identity });
  },
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

test.run();
