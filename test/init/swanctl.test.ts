import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clientSchema } from '../../src/config/client.js';
import { parseConfig } from '../../src/config/load.js';
import { VpnrError } from '../../src/errors.js';
import { convertSwanctl } from '../../src/init/from-swanctl.js';
import { readInvitations } from '../../src/init/invitation.js';
import { relayFiles } from '../../src/init/server-files.js';
import { readSwanctl, readSwanctlText } from '../../src/init/swanctl-files.js';
import { filesMatching } from '../../src/init/wildcards.js';
import { generator } from '../support/random.js';

const CLIENT = `
# a road warrior
connections {
  tokyo {
    version = 2
    remote_addrs = 198.51.100.10, 198.51.100.11   # the first counts
    vips = 0.0.0.0
    proposals = chacha20poly1305-prfsha256-curve25519, aes128-sha1-modp1024
    local { auth = psk
      id = client1 }
    remote {
      auth = psk
      id = "tokyo.example.net"
    }
    children { net { remote_ts = 10.20.0.0/16, 10.30.0.0/16
        esp_proposals = chacha20poly1305-curve25519,aes256gcm16 } }
  }
  osaka {
    remote_addrs = vpn.osaka.example.net
    remote_port = 4501
    local-1 { auth = psk ; id = x }
    local { auth = psk
      id = client1 }
    remote { auth = psk }
    children { net { remote_ts = 0.0.0.0/0 } }
  }
  office {
    remote_addrs = 203.0.113.1
    local { auth = eap
      id = client1 }
    remote { auth = pubkey }
  }
}
secrets {
  ike-tokyo { id = tokyo.example.net
    secret = 0sc2VjcmV0IG9mIHRva3lv }
  ike-rest { secret = "a \\"quoted\\" # secret }" }
  eap-office { secret = nothing }
}
`.replace('    local-1 { auth = psk ; id = x }\n', '');

function convert(text: string) {
  return convertSwanctl(readSwanctlText(text, 'swanctl.conf'), { name: 'work', invitations: [], routes: [] });
}

function contentOf(text: string, name: string): string {
  return String(convert(text).files.find(file => file.name === name)?.content);
}

test("a strongSwan client's connections become gateways, with their secrets", () => {
  const { files, notes } = convert(CLIENT);
  assert.equal(
    files.map(({ name, isSecret }) => [name, isSecret]),
    [
      ['client.yaml', false],
      ['tokyo.psk', true],
      ['osaka.psk', true],
    ],
  );
  const config = parseConfig(String(files[0]?.content), 'client.yaml', clientSchema);
  assert.is(config.identity, 'client1');
  assert.equal(config.tunnel.routes, ['10.20.0.0/16', '10.30.0.0/16', '0.0.0.0/0']);
  const [tokyo, osaka] = config.gateways;
  assert.equal(tokyo?.address, { host: '198.51.100.10', port: 4500 });
  assert.is(tokyo?.identity, 'tokyo.example.net');
  assert.equal(tokyo?.esp, ['chacha20poly1305', 'aes256gcm16']);
  assert.is(tokyo?.ike.length, 1);
  assert.equal(osaka?.address, { host: 'vpn.osaka.example.net', port: 4501 });
  assert.is(osaka?.identity, 'vpn.osaka.example.net');
  assert.is(contentOf(CLIENT, 'tokyo.psk'), 'secret of tokyo\n');
  assert.is(contentOf(CLIENT, 'osaka.psk'), 'a "quoted" # secret }\n');
  assert.ok(notes.some(note => note.includes('office') && note.includes('eap')));
  assert.ok(notes.some(note => note.includes('aes128-sha1-modp1024')));
  assert.not.ok(notes.join().includes('secret of'));
});

test('a connection without a virtual address has an inner address, if there is only one that it can be', () => {
  const site = (own: string) =>
    CLIENT.replace('    vips = 0.0.0.0\n', '').replace(
      '{ net { remote_ts = 10.20',
      `{ net { ${own}\n remote_ts = 10.20`,
    );
  const inner = (own: string) => {
    const { files, notes } = convert(site(own));
    const { gateways } = parseConfig(String(files[0]?.content), 'client.yaml', clientSchema);
    return {
      inner: gateways[0]?.inner_address,
      note: notes.some(note => /tokyo: it asks for no/.test(note)),
    };
  };
  assert.equal(inner('local_ts = 10.64.0.2/32'), { inner: '10.64.0.2', note: false });
  assert.equal(inner('local_ts = 10.64.0.2'), { inner: '10.64.0.2', note: false });
  for (const own of ['', 'local_ts = 10.64.0.0/24', 'local_ts = 10.64.0.2, 10.64.0.3', 'local_ts = dynamic'])
    assert.equal(inner(own), { inner: undefined, note: true }, own);
});

test('what the client is to each gateway is taken over', () => {
  const [first = '', ...rest] = CLIENT.split('id = client1');
  const { files } = convert(`${first}id = client1${rest.join('id = 192.0.2.2')}`);
  const config = parseConfig(String(files[0]?.content), 'client.yaml', clientSchema);
  assert.is(config.identity, 'client1');
  assert.equal(
    config.gateways.map(gateway => gateway.client_identity),
    [undefined, '192.0.2.2'],
  );
});

test('secrets in hexadecimal, sections that come again, and the most fitting secret', () => {
  const text = CLIENT.replace('0sc2VjcmV0IG9mIHRva3lv', '0x73656372:6574');
  assert.is(contentOf(text, 'tokyo.psk'), 'secret\n');
  const again = `${CLIENT}\nsecrets { ike-best { id-a = vpn.osaka.example.net\n id-b = client1\n secret = better } }`;
  assert.is(contentOf(again, 'osaka.psk'), 'better\n');
});

test('what is no hexadecimal or base64 is no secret; an odd number of digits is read as strongSwan does', () => {
  const only = CLIENT.replace(/ {2}osaka \{[\s\S]*? {2}office/, '  office');
  const secret = (text: string) => only.replace('0sc2VjcmV0IG9mIHRva3lv', text);
  for (const wrong of ['0xabcg', '0s%%%%', '0x', '0s'])
    assert.throws(() => convert(secret(wrong)), /no hexadecimal or base64/, wrong);
  const [, psk] = convert(secret('0Xabc')).files;
  assert.equal([...Buffer.from(psk?.content ?? '')], [0x0a, 0xbc, 0x0a]);
});

/** A folder with these files, each readable by all but for those with a secret. */
function inFolder(files: Record<string, string>, body: (path: (name: string) => string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-swanctl-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text, { mode: text.includes('secret =') ? 0o600 : 0o644 });
    }
    body(name => join(folder, name));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** As Debian's package ships it, with what people add. */
const INCLUDING = {
  'swanctl.conf':
    '# connections { }\n\n# Include config snippets\ninclude conf.d/*.conf\ninclude none/*.conf\n',
  'conf.d/a.conf': `connections { tokyo {
    remote_addrs = 198.51.100.9
    include "../parts of/tokyo"   # what stands there is of this connection
    local { auth = psk } } }`,
  'conf.d/b.conf': CLIENT.slice(CLIENT.indexOf('secrets {')),
  'conf.d/.hidden.conf': 'nonsense',
  'conf.d/c.txt': 'nonsense',
  'parts of/tokyo': `remote_addrs = 198.51.100.10   # in place of the one before
    local { id = carol@strongswan.org }
    remote { auth = psk
      id = tokyo.example.net }
    children { net { remote_ts = 10.20.0.0/16 } }`,
};
const RELAY = {
  address: '10.20.0.100',
  pool: '10.31.0.0/24',
  networks: ['10.30.0.0/16'],
  clients: ['carol@strongswan.org'],
};

test('included files are read, as the manual page of strongSwan says; a relay comes by its invitation', () =>
  inFolder(INCLUDING, path => {
    const swanctl = readSwanctl(path('swanctl.conf'));
    assert.equal(swanctl.notes, [`include none/*.conf in ${path('swanctl.conf')}: there is no such file`]);
    const invite = (clients: string[]) => {
      const file = relayFiles({ ...RELAY, clients }).find(({ name }) => name.endsWith('.invitation'));
      assert.is(file?.name, `${clients[0]}.relay.invitation`);
      return readInvitations(String(file?.content), 'invitation');
    };
    const answers = { name: 'work', invitations: invite(RELAY.clients), routes: [] };
    const { files } = convertSwanctl(swanctl, answers);
    assert.equal(
      files.map(({ name }) => name),
      ['client.yaml', 'tokyo.psk', 'relay.token'],
    );
    const config = parseConfig(String(files[0]?.content), 'client.yaml', clientSchema);
    assert.is(config.identity, 'carol@strongswan.org');
    assert.is(config.gateways[0]?.address.host, '198.51.100.10');
    assert.is(config.relay?.address.host, RELAY.address);
    assert.equal(config.tunnel.routes, ['10.20.0.0/16', '10.30.0.0/16']);
    const [narrow] = convertSwanctl(swanctl, { ...answers, routes: ['10.30.0.0/24'] }).files;
    assert.match(String(narrow?.content), 'routes: [10.30.0.0/24]');
    const other = convertSwanctl(swanctl, { ...answers, invitations: invite(['client1']) }).files[0];
    const { identity, gateways } = parseConfig(String(other?.content), 'client.yaml', clientSchema);
    assert.equal([identity, gateways[0]?.client_identity], ['client1', 'carol@strongswan.org']);
    const code = (expected: string) => (error: unknown) =>
      error instanceof VpnrError && error.code === expected;
    const two = { ...answers, invitations: [...invite(['client1']), ...answers.invitations] };
    assert.throws(() => convertSwanctl(swanctl, two), code('USAGE'));

    chmodSync(path('conf.d/b.conf'), 0o640);
    assert.throws(() => readSwanctl(path('swanctl.conf')), code('SECRET_READABLE_BY_OTHERS'));
    chmodSync(path('conf.d/b.conf'), 0o600);
    writeFileSync(path('conf.d/a.conf'), 'include a.conf');
    assert.throws(() => readSwanctl(path('swanctl.conf')), /nested too deeply/);
    writeFileSync(path('conf.d/a.conf'), 'include *.conf\ninclude *.conf');
    assert.throws(() => readSwanctl(path('swanctl.conf')), /nested too deeply|more than/);
    assert.throws(() => readSwanctl(path('none.conf')), code('CONFIG_NOT_FOUND'));
  }));

test('wildcards mean what they mean to a shell', () =>
  inFolder({ a1: '', a2: '', 'b[1': '', 'a-': '', 'x/a1': '', 'y/a1': '', '.a': '' }, path => {
    const found = (pattern: string) =>
      filesMatching(path(pattern)).map(file => file.slice(path('').length + 1));
    for (const [pattern, ...files] of [
      ['a[12]', 'a1', 'a2'],
      ['a[!1]', 'a-', 'a2'],
      ['?/a*', 'x/a1', 'y/a1'],
      ['b[1', 'b[1'],
      ['a[z-a]'],
      ['*', 'a-', 'a1', 'a2', 'b[1'],
      ['.*', '.a'],
      ['nothing/*'],
    ])
      assert.equal(found(pattern ?? ''), files, pattern);
  }));

test('what cannot be taken over is told, each with its reason', () => {
  const refused = (from: string, to: string, reason: RegExp, text = CLIENT) => {
    const only = text.replace(/ {2}osaka \{[\s\S]*? {2}office/, '  office');
    try {
      convert(only.replace(from, to));
      assert.unreachable(to);
    } catch (error) {
      assert.instance(error, VpnrError);
      assert.is((error as VpnrError).code, 'CONFIG_INVALID');
      assert.match((error as Error).message, reason);
    }
  };
  refused('version = 2', 'version = 1', /IKEv1/);
  refused('remote_addrs = 198.51.100.10, 198.51.100.11', 'remote_addrs = %any', /no address/);
  refused('id = client1', 'x = y', /no id/);
  refused('auth = psk', 'auth = pubkey', /pubkey/);
  refused('ike-rest', 'rsa-rest', /no secret/, CLIENT.replace('ike-tokyo', 'rsa-tokyo'));
});

test('what is no swanctl.conf is refused with its line', () => {
  for (const [text, line] of [
    ['a {', 1],
    ['a = b\n}', 2],
    ['a {\n b = "c\n}', 2],
    ['a\nb', 2],
    ['= 1', 1],
    ['{ }', 1],
    ['a { '.repeat(40), 1],
  ] as const) {
    assert.throws(
      () => readSwanctlText(text, 'file'),
      (error: unknown) =>
        error instanceof VpnrError &&
        error.code === 'CONFIG_SYNTAX' &&
        error.message.startsWith(`file:${line}:`),
      text,
    );
  }
});

test('damaged files end in a result or in a clear error, soon', () => {
  const random = generator(7);
  for (let i = 0; i < 3000; i++) {
    const bytes = [...CLIENT];
    for (let n = 0; n < 1 + 4 * random(); n++) {
      const at = Math.floor(random() * bytes.length);
      bytes.splice(at, random() < 0.5 ? 1 : 0, ...'{}="#\\\n ,0x'.charAt(Math.floor(random() * 12)));
    }
    try {
      convert(bytes.join(''));
    } catch (error) {
      assert.instance(error, VpnrError, String(error));
    }
  }
});

test.run();
