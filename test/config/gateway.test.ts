import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GATEWAY_CLIENTS_MAX, gatewaySchema } from '../../src/config/gateway.js';
import { parseConfig } from '../../src/config/load.js';
import { VpnrError } from '../../src/errors.js';

const MINIMAL = `
listen: 198.51.100.10:4500
identity: tokyo.example.net
pool: 10.61.0.0/24
networks: [10.20.0.0/16]
clients: [{ identity: client1, psk: { file: client1.psk } }]
`;

function parse(text: string) {
  return parseConfig(text, 'gateway.yaml', gatewaySchema);
}

/** What is said of the configuration with a line of the minimal one replaced. */
function complaint(key: string, line: string): string {
  try {
    parse(MINIMAL.replace(new RegExp(`^${key}:.*$`, 'm'), line));
  } catch (error) {
    assert.instance(error, VpnrError);
    assert.is((error as VpnrError).code, 'CONFIG_INVALID');
    return (error as VpnrError).message;
  }
  return assert.unreachable(line) as never;
}

test('the shortest configuration, and what it leaves out', () => {
  assert.equal(parse(MINIMAL), {
    name: 'gateway',
    listen: { host: '198.51.100.10', port: 4500 },
    identity: 'tokyo.example.net',
    pool: '10.61.0.0/24',
    networks: ['10.20.0.0/16'],
    clients: [{ identity: 'client1', psk: { file: 'client1.psk' } }],
    dns: { servers: [], search: [] },
    device: 'vpnr-gateway0',
    lifetimes: { ike: 4 * 3_600_000, child: 3_600_000 },
    silence: 30_000,
  });
});

test('mistakes are named with their place', () => {
  assert.match(
    complaint('listen', 'listen: tokyo.example.net'),
    'gateway.yaml:2:9: listen: expected an IP address',
  );
  assert.match(complaint('pool', 'pool: 10.61.0.0/31'), 'gateway.yaml:4:7: pool: expected a prefix length');
  assert.match(complaint('pool', 'pool: 10.0.0.0/8'), 'prefix length from 12 to 30');
  assert.match(complaint('pool', 'pool: fd00::/64'), 'pool: expected an IPv4 network');
  assert.match(complaint('pool', 'pool: 198.51.100.0/24'), 'pool: the address that the gateway listens on');
  assert.match(complaint('networks', 'networks: []'), 'networks: expected at least one');
  assert.match(
    complaint('networks', 'networks: [10.61.0.128/25]'),
    'networks: one of the networks lies in the pool',
  );
  assert.match(complaint('networks', 'networks: [nonsense]'), 'networks[0]: expected an IPv4 network');
  const many = Array.from({ length: 9 }, (_, n) => `10.${n}.0.0/16`).join(', ');
  assert.match(complaint('networks', `networks: [${many}]`), 'at most 8 networks');
  assert.match(complaint('clients', 'clients: []'), 'clients: expected at least one client');
  const client = (identity: string) => `{ identity: ${identity}, psk: { env: PSK } }`;
  assert.match(complaint('clients', `clients: [${client('a')}, ${client('a')}]`), 'the same identity');
  const crowd = Array.from({ length: GATEWAY_CLIENTS_MAX + 1 }, (_, n) => client(`c${n}`)).join(', ');
  assert.match(complaint('clients', `clients: [${crowd}]`), `at most ${GATEWAY_CLIENTS_MAX} clients`);
  assert.match(complaint('identity', 'identity: tokyo\nsecret: 1'), 'unknown key "secret"');
});

test('a network that holds the pool is allowed: clients then reach each other', () => {
  assert.equal(parse(MINIMAL.replace('10.20.0.0/16', '0.0.0.0/0')).networks, ['0.0.0.0/0']);
});

test.run();
