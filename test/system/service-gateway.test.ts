// Gateways as providers of networks run them, here strongSwan: they assign no addresses, want AES-CBC and key exchanges of their own
// for children, ask whether the client is there, and know both ends by public addresses.
import * as assert from 'uvu/assert';
import {
  City,
  GATEWAYS,
  type GatewayName,
  gatewayConfiguration,
  injectFault,
  SERVER_ADDRESS,
  StrongSwan,
  Transfer,
  until,
} from '../../src/lab/index.js';
import { figures, PROGRAM, reporting, systemTests } from './support.js';

const test = systemTests();
const BYTES = 15_000_000;
const FAULT_AT = 7_000_000;
const RATE = 5_000_000;
const TRANSFER_MS = 90_000;
const REKEYED_MS = 20_000;

/** The client's public address, that of a NAT: its socket has another one. */
const PUBLIC = '192.0.2.77';
/** What each gateway wants, and the address that it expects the client to have in the tunnel. */
const SETTINGS = {
  tokyo: { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256-modp2048', inner: '10.61.0.9' },
  osaka: { ike: 'aes128-sha256-ecp256', esp: 'aes256gcm16-ecp256', inner: '10.62.0.9' },
} as const;
const NAMES = Object.keys(SETTINGS) as GatewayName[];

function build(): Promise<City> {
  const { tokyo, osaka } = GATEWAYS;
  return City.build({
    program: PROGRAM,
    sites: { tokyo: { ...tokyo, identity: tokyo.outer }, osaka: { ...osaka, identity: osaka.outer } },
    makeGateway: (host, { clients, ...identity }) => {
      const { ike, esp } = SETTINGS[host.name as GatewayName];
      return new StrongSwan(host, {
        swanctl: gatewayConfiguration({
          ...identity,
          clients: clients.map(({ psk }) => ({ identity: PUBLIC, psk })),
          assigns: false,
          ikeProposals: [ike],
          espProposals: [esp],
          rekey: { childSeconds: 2, ikeSeconds: 5 },
          dpdSeconds: 1,
          mobike: false,
        }),
      });
    },
  });
}

test('a transfer survives from one gateway that assigns no address to another, rekeyed by both', async () => {
  const city = await build();
  await reporting(city.lab, async () => {
    await city.startRelay();
    const configuration = city.clientConfiguration();
    for (const gateway of configuration.gateways) {
      gateway.client_identity = PUBLIC;
      gateway.inner_address = SETTINGS[gateway.name as GatewayName].inner;
    }
    const connection = city.connect(configuration);
    const connected = await connection.event('connected');
    assert.is(connected.gateway, 'tokyo');
    const { client, server } = city;
    const transfer = await Transfer.start({
      client,
      server,
      address: SERVER_ADDRESS,
      bytes: BYTES,
      rate: RATE,
      untilTold: true,
    });
    await transfer.reached(FAULT_AT, TRANSFER_MS);
    for (const name of NAMES) {
      // Associations are numbered: the first are gone when there are no others but later ones.
      const associations = await until(`${name} has rekeyed`, REKEYED_MS, async () => {
        const text = await city.gateways[name].associations();
        return /^client-1: #([2-9]|\d\d)/m.test(text) && /networks: #([2-9]|\d\d)/.test(text)
          ? text
          : undefined;
      });
      assert.match(associations, `local  '${GATEWAYS[name].outer}'`);
      assert.match(associations, `remote '${PUBLIC}'`);
      assert.match(associations, `remote ${GATEWAYS[name].pool}`);
      const suite = name === 'tokyo' ? /AES_CBC-256\/HMAC_SHA2_256_128/ : /AES_CBC-128\/HMAC_SHA2_256_128/;
      assert.match(associations, suite);
    }
    const status = await connection.status();
    assert.equal(
      status.gateways.map(({ name, virtualAddress }) => [name, virtualAddress]),
      NAMES.map(name => [name, SETTINGS[name].inner]),
    );
    assert.is(status.switches, 0, 'rekeying is no failure');
    await injectFault(city, 'tokyo', 'kill');
    const switched = await connection.event('switched', { gateway: 'osaka' });
    transfer.finish();
    const { up, down } = await transfer.result(TRANSFER_MS);
    assert.ok(up.bytes >= BYTES && down.bytes >= BYTES);
    assert.is((await connection.status()).address, connected.address, 'the address stays');
    const pause = Math.max(up.longestPauseMs, down.longestPauseMs).toFixed(0);
    figures(
      `connected in ${connected.ms} ms; switched ${switched.ms} ms after the failure; TCP paused ${pause} ms`,
    );
    assert.is((await connection.stop()).status, 0);
    await until('our DELETE has arrived', REKEYED_MS, async () =>
      (await city.gateways.osaka.associations()) === '' ? true : undefined,
    );
  });
});

test.run();
