// A client with two ways to the Internet: the cable is pulled under a transfer, which goes on over the other one, and comes back.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import { makeSecret } from '../../src/lab/certificate.js';
import { Connection, type LabPlan, Transfer, until, VpnrGateway } from '../../src/lab/index.js';
import { figures, PROGRAM, systemTests, withLab } from './support.js';

const test = systemTests();

const GATEWAY = '192.0.2.10';
const IDENTITY = 'gateway.example.net';
const NETWORK = '10.20.0.0/16';
const INSIDE = '10.20.0.1';
const POOL = '10.61.0.0/24';
const BYTES = 30_000_000;
const STEP = 8_000_000;
/** Bytes a second. */
const RATE = 8_000_000;
const TRANSFER_MS = 60_000;

/** As a program that looks after networks keeps it: the cable's route is preferred while there is a carrier. */
const CABLE = 'default via 198.51.100.10 metric 100';
const RADIO = 'default via 203.0.113.10 metric 600';

const PLAN: LabPlan = {
  networks: ['cable', 'radio', 'inside'],
  hosts: {
    client: {
      links: { cable: { addresses: ['198.51.100.2/24'] }, radio: { addresses: ['203.0.113.2/24'] } },
      routes: [CABLE, RADIO],
      privateRun: true,
    },
    gateway: {
      links: {
        cable: { addresses: ['198.51.100.10/24'] },
        radio: { addresses: ['203.0.113.10/24'] },
        inside: { addresses: [`${INSIDE}/16`, `${GATEWAY}/32`] },
      },
      privateRun: true,
    },
  },
};

test('a transfer goes on over the second uplink when the first one loses its carrier, and back', () =>
  withLab(PLAN, async lab => {
    const [client, host] = [lab.host('client'), lab.host('gateway')];
    const psk = makeSecret(join(client.folder, 'gateway.psk'));
    const gateway = new VpnrGateway(host, {
      program: PROGRAM,
      address: GATEWAY,
      identity: IDENTITY,
      pool: POOL,
      networks: [NETWORK],
      clients: [{ identity: 'client1', psk }],
    });
    await gateway.start();
    const file = join(client.folder, 'client.yaml');
    const configuration = {
      name: 'work',
      identity: 'client1',
      gateways: [
        { name: 'only', address: GATEWAY, identity: IDENTITY, auth: { psk: { file: 'gateway.psk' } } },
      ],
      tunnel: { routes: [NETWORK] },
    };
    writeFileSync(file, stringify(configuration), { mode: 0o600 });
    const connection = new Connection(client, PROGRAM, file, 'work');
    const connected = await connection.event('connected');
    const ends = { client, server: host, address: INSIDE };
    const transfer = await Transfer.start({ ...ends, bytes: BYTES, rate: RATE, untilTold: true });
    const movedTo = (address: string) =>
      until(`the client is at ${address}`, TRANSFER_MS, async () => {
        const [connected] = (await gateway.status()).clients;
        return connected?.from.split(':')[0] === address || undefined;
      });
    await transfer.reached(STEP, TRANSFER_MS);
    await movedTo('198.51.100.2');

    await client.link('cable').down();
    await client.run(['ip', 'route', 'del', ...CABLE.split(' ')]);
    const onCable = Math.min(transfer.arrived.up, transfer.arrived.down);
    await transfer.reached(onCable + STEP, TRANSFER_MS);
    await movedTo('203.0.113.2');

    await client.link('cable').up();
    await client.run(['ip', 'route', 'add', ...CABLE.split(' ')]);
    const onRadio = Math.min(transfer.arrived.up, transfer.arrived.down);
    await transfer.reached(onRadio + STEP, TRANSFER_MS);
    await movedTo('198.51.100.2');

    transfer.finish();
    const { up, down } = await transfer.result(TRANSFER_MS);
    const status = await connection.status();
    assert.is(status.address, connected.address, 'the address stays');
    figures(`TCP paused ${Math.max(up.longestPauseMs, down.longestPauseMs).toFixed(0)} ms`);
    assert.is((await connection.stop()).status, 0);
  }));

test.run();
