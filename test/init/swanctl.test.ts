import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clientSchema } from '../../src/config/client.js';
import { parseConfig } from '../../src/config/load.js';
import { VpnrError } from '../../src/errors.js';
import { convertSwanctl } from '../../src/init/from-swanctl.js';
import { parseSwanctl } from '../../src/init/swanctl.js';
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

function contentOf(text: string, name: string): string {
  return String(convertSwanctl(text, 'swanctl.conf', 'work').files.find(file => file.name === name)?.content);
}

test("a strongSwan client's connections become gateways, with their secrets", () => {
  const { files, notes } = convertSwanctl(CLIENT, 'swanctl.conf', 'work');
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
  const convert = (own: string) => {
    const { files, notes } = convertSwanctl(site(own), 'swanctl.conf', 'work');
    const { gateways } = parseConfig(String(files[0]?.content), 'client.yaml', clientSchema);
    return {
      inner: gateways[0]?.inner_address,
      note: notes.some(note => /tokyo: it asks for no/.test(note)),
    };
  };
  assert.equal(convert('local_ts = 10.64.0.2/32'), { inner: '10.64.0.2', note: false });
  assert.equal(convert('local_ts = 10.64.0.2'), { inner: '10.64.0.2', note: false });
  for (const own of ['', 'local_ts = 10.64.0.0/24', 'local_ts = 10.64.0.2, 10.64.0.3', 'local_ts = dynamic'])
    assert.equal(convert(own), { inner: undefined, note: true }, own);
});

test('what the client is to each gateway is taken over', () => {
  const [first = '', ...rest] = CLIENT.split('id = client1');
  const { files } = convertSwanctl(
    `${first}id = client1${rest.join('id = 192.0.2.2')}`,
    'swanctl.conf',
    'work',
  );
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

test('what cannot be taken over is told, each with its reason', () => {
  const refused = (from: string, to: string, reason: RegExp, text = CLIENT) => {
    const only = text.replace(/ {2}osaka \{[\s\S]*? {2}office/, '  office');
    try {
      convertSwanctl(only.replace(from, to), 'swanctl.conf', 'work');
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
      () => parseSwanctl(text, 'file'),
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
      convertSwanctl(bytes.join(''), 'file', 'work');
    } catch (error) {
      assert.instance(error, VpnrError, String(error));
    }
  }
});

test.run();
