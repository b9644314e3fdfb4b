import { X509Certificate } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { loadClientConfig, loadGatewayConfig, loadRelayConfig } from '../../src/config/load.js';
import { readSecret } from '../../src/config/secrets.js';
import { VpnrError } from '../../src/errors.js';
import { makeCertificate } from '../../src/init/certificate.js';
import { clientFiles } from '../../src/init/client-files.js';
import { type NewFile, writeFiles } from '../../src/init/files.js';
import { describeInvitation, readInvitations } from '../../src/init/invitation.js';
import { defaultPool, gatewayFiles, relayFiles } from '../../src/init/server-files.js';
import { quoted } from '../../src/init/yaml.js';

const CODE = (code: string) => (error: unknown) => error instanceof VpnrError && error.code === code;

const GATEWAY = {
  name: 'tokyo',
  address: 'vpn.example.net',
  listen: '198.51.100.10',
  identity: 'tokyo.example.net',
  pool: '10.61.0.0/24',
  networks: ['10.20.0.0/16'],
  clients: ['client1', 'client2'],
};
const RELAY = {
  address: '10.20.0.100',
  pool: '10.31.0.0/24',
  networks: ['10.30.0.0/16'],
  clients: ['client1'],
};

function inFolder(body: (folder: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vpnr-init-'));
    try {
      await body(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

function contentOf(files: readonly NewFile[], name: string): string {
  const found = files.find(file => file.name === name);
  assert.ok(found, name);
  return String(found?.content);
}

test(
  'gateway, relay and client are configured so that they fit together',
  inFolder(async folder => {
    const at = (name: string) => ({ folder: join(folder, name), force: false });
    const [gateway, relay] = [gatewayFiles(GATEWAY), relayFiles(RELAY)];
    const invitations = [
      ...readInvitations(contentOf(gateway, 'client1.tokyo.invitation'), 'a'),
      ...readInvitations(contentOf(relay, 'client1.relay.invitation'), 'b'),
    ];
    await writeFiles(gateway, at('gateway'));
    await writeFiles(relay, at('relay'));
    await writeFiles(clientFiles({ name: 'work', invitations, routes: [] }), at('client'));
    const server = loadGatewayConfig(join(folder, 'gateway', 'gateway.yaml'));
    const middle = loadRelayConfig(join(folder, 'relay', 'relay.yaml'));
    const client = loadClientConfig(join(folder, 'client', 'client.yaml'));
    assert.equal(client.config.tunnel.routes, RELAY.networks);
    assert.is(client.config.gateways[0]?.address.host, GATEWAY.address);
    assert.is(client.config.relay?.fingerprint, fingerprintOf(join(middle.folder, 'relay.crt')));
    const psk = readSecret(client.config.gateways[0]?.auth.psk ?? { env: '' }, client.folder, 'psk').reveal();
    assert.equal(
      psk,
      readSecret(server.config.clients[0]?.psk ?? { env: '' }, server.folder, 'psk').reveal(),
    );
    const token = readSecret(client.config.relay?.token ?? { env: '' }, client.folder, 'token').reveal();
    assert.equal(
      token,
      readSecret(middle.config.clients[0]?.token ?? { env: '' }, middle.folder, 'token').reveal(),
    );
    assert.not.equal(
      psk,
      readSecret(server.config.clients[1]?.psk ?? { env: '' }, server.folder, 'psk').reveal(),
    );
  }),
);

function fingerprintOf(file: string): string {
  const { fingerprint256 } = new X509Certificate(readFileSync(file));
  return `sha256:${fingerprint256.replaceAll(':', '').toLowerCase()}`;
}

test(
  'secrets are for their owner, the rest is not replaced unless that is asked for, and a failure leaves nothing',
  inFolder(async folder => {
    const files = relayFiles(RELAY);
    const where = join(folder, 'made');
    await writeFiles(files, { folder: where, force: false });
    assert.is(statSync(where).mode & 0o777, 0o700);
    for (const { name, isSecret } of files)
      assert.is(statSync(join(where, name)).mode & 0o777, isSecret ? 0o600 : 0o644, name);
    await rejects(writeFiles(relayFiles(RELAY), { folder: where, force: false }), 'USAGE');
    const before = readFileSync(join(where, 'relay.key'), 'utf8');
    await writeFiles(relayFiles(RELAY), { folder: where, force: true });
    assert.is.not(readFileSync(join(where, 'relay.key'), 'utf8'), before);

    // One more that cannot take its name: those before it are as they were.
    const after = readFileSync(join(where, 'relay.key'), 'utf8');
    const blocked = [...relayFiles(RELAY), { name: 'sub', content: '', isSecret: false }];
    mkdirSync(join(where, 'sub'));
    await rejects(writeFiles(blocked, { folder: where, force: true }), 'SYSTEM_CALL');
    assert.is(readFileSync(join(where, 'relay.key'), 'utf8'), after);
    assert.equal(readdirSync(where).sort(), [...files.map(({ name }) => name), 'sub'].sort());

    // The second file cannot be made, as its folder is not there.
    const broken = [
      { name: 'a', content: 'a', isSecret: false },
      { name: 'file/b', content: 'b', isSecret: true },
    ];
    const other = join(folder, 'other');
    await writeFiles([{ name: 'file', content: '', isSecret: false }], { folder: other, force: false });
    await rejects(writeFiles(broken, { folder: other, force: false }), 'SYSTEM_CALL');
    assert.equal(readdirSync(other), ['file']);
    const replacing = [{ name: 'file', content: 'new', isSecret: false }, ...broken];
    await rejects(writeFiles(replacing, { folder: other, force: true }), 'SYSTEM_CALL');
    assert.equal(readdirSync(other), ['file']);
    assert.is(readFileSync(join(other, 'file'), 'utf8'), '');
    writeFileSync(join(folder, 'plain'), '');
    await rejects(writeFiles(files, { folder: join(folder, 'plain'), force: false }), 'SYSTEM_CALL');
    assert.not.ok(existsSync(join(folder, 'plain', 'relay.yaml')));
  }),
);

async function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(CODE(code)(error), `${code}, not ${error}`);
}

test('invitations are read back as they were written, also several in one file', () => {
  const [first, second] = [gatewayFiles(GATEWAY), relayFiles(RELAY)];
  const texts = [contentOf(first, 'client2.tokyo.invitation'), contentOf(second, 'client1.relay.invitation')];
  const both = readInvitations(`${texts.join('\n')}\n`, 'both');
  assert.is(both.length, 2);
  assert.is(both.map(describeInvitation).join(''), texts.join(''));
  assert.is(both[0]?.client, 'client2');
  assert.equal(both[0]?.gateway?.networks, GATEWAY.networks);
});

test('what is no invitation is refused with a reason that holds no secret', () => {
  const good = contentOf(gatewayFiles(GATEWAY), 'client1.tokyo.invitation');
  const secret = /psk: (\w+)/.exec(good)?.[1] ?? '';
  const bad: [string, string][] = [
    ['', 'CONFIG_INVALID'],
    ['# only a comment\n\n', 'CONFIG_INVALID'],
    ['name: work\n', 'CONFIG_INVALID'],
    [good.replace('invitation: 1', 'invitation: 2'), 'CONFIG_INVALID'],
    [good.replace('gateway:', 'relay:'), 'CONFIG_INVALID'],
    [good.replace('address: vpn.example.net', 'address: "vpn example"'), 'CONFIG_INVALID'],
    [good.replace('name: tokyo', 'name: ../../etc/passwd'), 'CONFIG_INVALID'],
    [good.replace('psk: ', 'psk: "'), 'CONFIG_SYNTAX'],
    [good.replace(secret, `${secret} ${secret}`), 'CONFIG_INVALID'],
    [`${good}more: 1\n`, 'CONFIG_INVALID'],
  ];
  for (const [text, code] of bad) {
    assert.throws(
      () => readInvitations(text, 'file'),
      (error: unknown) => CODE(code)(error) && !(error as Error).message.includes(secret),
      text,
    );
  }
});

test('answers that do not fit are refused in one line, and nothing is made', () => {
  for (const wrong of [
    { pool: '10.61.0.0/31' },
    { networks: [] },
    { networks: ['10.61.0.0/25'] },
    { clients: [] },
    { clients: ['client1', 'client1'] },
    { listen: 'not an address' },
    { address: 'not an address' },
  ])
    assert.throws(() => gatewayFiles({ ...GATEWAY, ...wrong }), CODE('USAGE'));
  for (const wrong of [
    { address: 'relay.example.net' },
    { networks: ['nonsense'] },
    { networks: ['10.30.0.1'] },
  ])
    assert.throws(() => relayFiles({ ...RELAY, ...wrong }), CODE('USAGE'));
  const [invitation] = readInvitations(contentOf(relayFiles(RELAY), 'client1.relay.invitation'), 'a');
  assert.ok(invitation);
  for (const invitations of [[], invitation ? [invitation] : [], invitation ? [invitation, invitation] : []])
    assert.throws(() => clientFiles({ name: 'work', invitations, routes: [] }), CODE('USAGE'));
});

test('names that are odd in YAML, or would leave the folder, do no harm', () => {
  for (const text of [
    'yes',
    'null',
    '1e3',
    '0x10',
    '~',
    '- a',
    'a: b',
    'a #b',
    '"',
    '\\',
    "'",
    '*a',
    '&a',
    '!x',
    '',
    '10.0',
  ])
    assert.is(parse(`key: ${quoted(text)} # comment`).key, text);
  assert.equal(parse(`key: ${quoted(['10.0.0.0/8', 'on', 'a,b'])}`).key, ['10.0.0.0/8', 'on', 'a,b']);
  for (const [client, file] of [
    ['../client', 'client'],
    ['a/b', 'a-b'],
    ['carol@example.net', 'carol@example.net'],
    ['C=CH, CN=$(carol)', 'C-CH-CN-carol-'],
  ])
    for (const made of [gatewayFiles, relayFiles]) {
      const files = made({ ...GATEWAY, address: RELAY.address, clients: [client ?? ''] });
      const [invitation] = files.filter(({ name }) => name.endsWith('.invitation'));
      assert.ok(invitation?.name.startsWith(`${file}.`), invitation?.name);
      assert.is(readInvitations(String(invitation?.content), 'invitation')[0]?.client, client);
      assert.ok(files.every(({ name }) => /^[\w.@-]+$/.test(name)));
    }
  for (const clients of [['.'], [''], ['a\nb'], ['a/b', 'a-b'], ['x'.repeat(256)]])
    for (const made of [gatewayFiles, relayFiles])
      assert.throws(
        () => made({ ...GATEWAY, address: RELAY.address, clients }),
        CODE('USAGE'),
        clients.join(),
      );
});

test('a certificate names the relay by address or name, and is its own authority', () => {
  const byAddress = new X509Certificate(makeCertificate('10.20.0.100', 10).certificate);
  assert.is(byAddress.checkIP('10.20.0.100'), '10.20.0.100');
  assert.is(byAddress.checkIP('10.20.0.101'), undefined);
  assert.ok(byAddress.ca && byAddress.checkIssued(byAddress));
  assert.is(
    new X509Certificate(makeCertificate('relay.example.net', 10).certificate).checkHost('relay.example.net'),
    'relay.example.net',
  );
});

test('pools of different machines differ as a rule and are the same each time', () => {
  const pools = ['tokyo', 'osaka', 'fukuoka', 'relay'].map(defaultPool);
  assert.is(new Set(pools).size, pools.length);
  assert.equal(pools, ['tokyo', 'osaka', 'fukuoka', 'relay'].map(defaultPool));
});

test.run();
