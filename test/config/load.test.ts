import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clientSchema } from '../../src/config/client.js';
import { loadClientConfig, parseConfig } from '../../src/config/load.js';
import { relaySchema } from '../../src/config/relay.js';
import { readSecret } from '../../src/config/secrets.js';
import { VpnrError } from '../../src/errors.js';

const FINGERPRINT = 'ab'.repeat(32);
const CLIENT = `name: work
identity: client1
gateways:                                      # in order of preference
  - name: tokyo
    address: 198.51.100.10
    identity: tokyo.example.net
    auth: { psk: { file: tokyo.psk } }
  - name: osaka
    address: "[2001:db8::10]:4501"
    identity: osaka.example.net
    auth: { psk: { env: OSAKA_PSK } }
    ike: [aes256gcm16-prfsha384-curve25519]
    esp: [aes256gcm16]
relay:
  address: 10.20.0.100
  fingerprint: "sha256:${FINGERPRINT}"
  token: { file: relay.token }
  mode: clear
tunnel:
  device: vpnr0
  routes: [10.30.0.0/16]
  mtu: auto
  address: 192.168.77.2/32
failover:
  mode: cold
  probe: { interval: 25ms, misses: 3 }
`;

function complaint(run: () => unknown): VpnrError {
  try {
    run();
  } catch (error) {
    if (error instanceof VpnrError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const invalid = (text: string) => complaint(() => parseConfig(text, 'client.yaml', clientSchema));

test('a client configuration with everything in it', () => {
  const config = parseConfig(CLIENT, 'client.yaml', clientSchema);
  assert.equal(config.gateways[0]?.address, { host: '198.51.100.10', port: 4500 });
  assert.equal(config.gateways[1]?.address, { host: '2001:db8::10', port: 4501 });
  assert.equal(config.gateways[1]?.ike, [{ encryption: 'aes256gcm16', prf: 'prfsha384', group: 'x25519' }]);
  assert.equal(config.gateways[0]?.esp, [
    'chacha20poly1305',
    'aes256gcm16',
    'aes128gcm16',
    'aes256-sha256',
    'aes128-sha256',
  ]);
  assert.is(config.relay?.fingerprint, `sha256:${FINGERPRINT}`);
  assert.equal(config.relay?.address, { host: '10.20.0.100', port: 7511 });
  assert.equal(config.failover.probe, { interval: 25, misses: 3, standby: 500, idle: 15_000 });
  assert.is(config.tunnel.address, '192.168.77.2');
});

test('what is left out has a default', () => {
  const config = parseConfig(
    'name: a\nidentity: b\ngateways: [{name: g, address: gw.example.net, identity: g, auth: {psk: {env: X}}}]\n',
    'client.yaml',
    clientSchema,
  );
  assert.is(config.tunnel.device, 'vpnr0');
  assert.equal(config.failover, {
    mode: 'standby',
    probe: { interval: 25, misses: 3, standby: 500, idle: 15_000 },
    prefer: 'order',
    failback: { after: 60_000 },
    replay: { bytes: 8 * 2 ** 20, age: 2000 },
  });
  assert.is(config.relay, undefined);
});

test('a relay configuration', () => {
  const config = parseConfig(
    'listen: 10.20.0.100:7511\npool: 10.30.200.0/24\ncertificate: relay.crt\nkey: relay.key\nclients: [{ identity: client1, token: { file: client1.token } }]\nstate: relay-state\n',
    'relay.yaml',
    relaySchema,
  );
  assert.equal(config.listen, { host: '10.20.0.100', port: 7511 });
  assert.is(config.state, 'relay-state');
});

test('malformed YAML is named with its line and column', () => {
  const error = invalid('name: work\ngateways: [\n  {name: tokyo\n');
  assert.is(error.code, 'CONFIG_SYNTAX');
  assert.match(error.message, /^client\.yaml:\d+:\d+: /);
  assert.is(error.exitStatus, 3);
});

test('an unknown key is named where it stands, with the keys there are', () => {
  const error = invalid(CLIENT.replace('identity: osaka.example.net', 'identiy: osaka.example.net'));
  assert.is(error.code, 'CONFIG_INVALID');
  assert.match(
    error.message,
    'client.yaml:10:5: gateways[1]: unknown key "identiy"; expected one of name, address, identity',
  );
  assert.match(error.message, 'gateways[1].identity: missing');
});

test('a wrong value is named where it stands, with what was expected', () => {
  assert.match(
    invalid(CLIENT.replace('interval: 25ms', 'interval: 25')).message,
    /client\.yaml:26:22: failover\.probe\.interval: expected a duration such as 25ms/,
  );
  assert.match(
    invalid(CLIENT.replace('10.30.0.0/16', '10.30.0.0/33')).message,
    'client.yaml:21:12: tunnel.routes[0]: expected a network such as 10.30.0.0/16',
  );
  assert.match(
    invalid(CLIENT.replace('198.51.100.10', '198.51.100.300')).message,
    'expected an address or a host name',
  );
  assert.match(invalid(CLIENT.replace(FINGERPRINT, 'abc')).message, 'relay.fingerprint: expected "sha256:"');
  assert.match(invalid(CLIENT.replace('mode: clear', 'mode: ipip')).message, 'trust_network: true');
  assert.match(invalid(CLIENT.replace('mode: clear', 'mode: open')).message, 'one of clear, sealed, ipip');
  assert.match(
    invalid(CLIENT.replace('name: osaka', 'name: tokyo')).message,
    'two gateways have the same name',
  );
  assert.match(
    invalid(CLIENT.replace('10.20.0.100', '"2001:db8::1"')).message,
    'relay.address: expected an IPv4 address, with ":port" if it is not 7511',
  );
  assert.match(invalid('').message, /client\.yaml:1:1: /);
  assert.match(invalid('- a\n').message, /client\.yaml:1:1: expected a section with the keys name/);
});

test('hostile YAML ends in a complaint, not in a crash', () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
    .split('')
    .map((key, index) => `${key}: &${key} [${Array(10).fill(`*${'abcdefg'[index]}`).join(',')}]`)
    .join('\n')}\n`;
  assert.is(invalid(bomb).code, 'CONFIG_SYNTAX');
  assert.is(invalid('name: work\nname: other\n').code, 'CONFIG_SYNTAX');
  assert.is(invalid('{'.repeat(200)).code, 'CONFIG_SYNTAX');
});

test('files: a missing one, and secrets that others can read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-config-'));
  try {
    assert.is(complaint(() => loadClientConfig(join(folder, 'none.yaml'))).code, 'CONFIG_NOT_FOUND');
    writeFileSync(join(folder, 'a.psk'), 'swordfish\n', { mode: 0o600 });
    const secret = readSecret({ file: 'a.psk' }, folder, 'the key');
    assert.is(new TextDecoder().decode(secret.reveal()), 'swordfish');
    assert.is(`${secret} ${JSON.stringify({ secret })}`, '[secret] {"secret":"[secret]"}');
    chmodSync(join(folder, 'a.psk'), 0o640);
    const error = complaint(() => readSecret({ file: 'a.psk' }, folder, 'the key'));
    assert.is(error.code, 'SECRET_READABLE_BY_OTHERS');
    assert.match(error.remedy ?? '', 'chmod 600');
    assert.is(complaint(() => readSecret({ file: 'b.psk' }, folder, 'the key')).code, 'SECRET_NOT_FOUND');
    assert.is(
      complaint(() => readSecret({ env: 'VPNR_NO_SUCH_VARIABLE' }, folder, 'the key')).code,
      'SECRET_NOT_FOUND',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a gateway that assigns no address: each path has an inner address of its own', () => {
  const inner = (tokyo: string, osaka: string) =>
    CLIENT.replace(
      'identity: tokyo.example.net',
      `identity: 198.51.100.10\n    client_identity: 192.0.2.77\n    inner_address: ${tokyo}`,
    ).replace('identity: osaka.example.net', `identity: osaka.example.net\n    inner_address: ${osaka}`);
  const config = parseConfig(
    inner('10.9.0.2', '10.9.1.2/32').replace('mode: cold', 'mode: replay'),
    'client.yaml',
    clientSchema,
  );
  assert.equal(
    config.gateways.map(gateway => gateway.inner_address),
    ['10.9.0.2', '10.9.1.2'],
  );
  assert.equal(
    config.gateways.map(gateway => gateway.client_identity),
    ['192.0.2.77', undefined],
  );
  assert.match(
    invalid(inner('10.9.0.0/24', '10.9.1.2')).message,
    'gateways[0].inner_address: expected an IPv4 address',
  );
  const same = inner('10.9.0.2', '10.9.0.2');
  assert.match(
    invalid(same.replace('mode: cold', 'mode: standby')).message,
    'gateways: two gateways have the same inner_address',
  );
  // One tunnel at a time: the network behind leads the answers to the one that is up.
  assert.ok(parseConfig(same, 'client.yaml', clientSchema));
});

test("proposals for IKE, in strongSwan's notation", () => {
  const ike = (text: string) => CLIENT.replace('aes256gcm16-prfsha384-curve25519', text);
  const parse = (text: string) => parseConfig(ike(text), 'client.yaml', clientSchema).gateways[1]?.ike[0];
  const [cbc, gcm] = [
    { encryption: 'aes256-sha256', prf: 'prfsha256', group: 'modp2048' },
    { encryption: 'aes128gcm16', prf: 'prfsha512', group: 'ecp256' },
  ];
  assert.equal(parse('aes256-sha256-modp2048'), cbc);
  assert.equal(parse('aes256-sha256-prfsha256-modp2048'), cbc);
  assert.equal(parse('aes128gcm16-prfsha512-ecp256'), gcm);
  for (const text of [
    'aes128gcm16-ecp256',
    'aes256-modp2048',
    'aes256-sha256',
    'aes256-sha256-sha256-modp2048',
    'aes256-sha256-prfsha256-modp2048-x25519',
    'aes256-sha1-modp2048',
    'aes128gcm16-prfsha256-constructor',
    'x25519',
  ])
    assert.match(invalid(ike(text)).message, 'gateways[1].ike[0]: expected ENCRYPTION-PRF-GROUP', text);
});

test('failover: the mode follows from the relay, and what cannot be is refused', () => {
  const failover = (text: string, relayMode = 'clear') =>
    CLIENT.replace('  mode: clear', `  mode: ${relayMode}`).replace(
      /failover:[\s\S]*$/,
      `failover: ${text}\n`,
    );
  const parse = (text: string) => parseConfig(failover(text), 'client.yaml', clientSchema).failover;
  assert.is(parse('{}').mode, 'replay');
  assert.equal(
    parse('{ mode: duplicate, duplicate: [{ port: 22 }, { protocol: udp, dscp: EF }] }').duplicate,
    [{ port: 22 }, { protocol: 17, dscp: 46 }],
  );
  assert.is(parse('{ failback: never }').failback, 'never');
  assert.is(parse('{ replay: { bytes: 512KiB } }').replay.bytes, 2 ** 19);
  assert.match(
    invalid(failover('{ mode: replay }', 'ipip\n  trust_network: true')).message,
    /replay and duplicate need a relay/,
  );
  assert.match(invalid(failover('{ duplicate: [{ port: 22 }] }')).message, /need "mode: duplicate"/);
  assert.match(invalid(failover('{ mode: duplicate, duplicate: [{}] }')).message, /at least one of port/);
  assert.match(invalid(failover('{ mode: duplicate, duplicate: [{ dscp: best }] }')).message, /a code point/);
  assert.match(invalid(failover('{ replay: { bytes: 1GiB } }')).message, /from 64KiB to 64MiB/);
  assert.match(invalid(failover('{ failback: 60s }')).message, /expected "never" or/);
});

test.run();
