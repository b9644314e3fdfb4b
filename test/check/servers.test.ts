import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CheckPoint } from '../../src/check/points.js';
import { checkExec, checkPrograms } from '../../src/check/programs.js';
import { loadGatewayConfig, loadRelayConfig, roleOf } from '../../src/config/load.js';
import type { VpnrError } from '../../src/errors.js';
import { checkGateway } from '../../src/gateway/check.js';
import { makeCertificate } from '../../src/init/certificate.js';
import { writeFiles } from '../../src/init/files.js';
import { gatewayFiles, relayFiles } from '../../src/init/server-files.js';
import { checkRelay } from '../../src/relay/check.js';

const ADDRESS = '127.0.0.1';
const RELAY = { address: ADDRESS, pool: '10.31.0.0/24', networks: ['10.30.0.0/16'], clients: ['client1'] };
const GATEWAY = {
  name: 'tokyo',
  address: ADDRESS,
  listen: ADDRESS,
  identity: 'tokyo.example.net',
  pool: '10.61.0.0/24',
  networks: ['10.20.0.0/16'],
  clients: ['client1'],
};

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-check-'));
  try {
    await writeFiles(relayFiles(RELAY), { folder, force: true });
    await writeFiles(gatewayFiles(GATEWAY), { folder, force: true });
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function relayPoint(folder: string, name: string): Promise<CheckPoint | undefined> {
  const points: CheckPoint[] = [];
  await checkRelay(loadRelayConfig(join(folder, 'relay.yaml')), point => points.push(point));
  return points.find(({ point }) => point === name);
}

async function gatewayPoint(folder: string, name: string): Promise<CheckPoint | undefined> {
  const points: CheckPoint[] = [];
  await checkGateway(loadGatewayConfig(join(folder, 'gateway.yaml')), point => points.push(point));
  return points.find(({ point }) => point === name);
}

test('what `vpnr init` has made is found to be well', () =>
  withFolder(async folder => {
    assert.is(roleOf(join(folder, 'relay.yaml')), 'relay');
    assert.is(roleOf(join(folder, 'gateway.yaml')), 'gateway');
    for (const name of [
      'configuration',
      'certificate',
      'token of client1',
      'clock',
      'UDP port',
      'TCP port',
      'state',
    ])
      assert.ok((await relayPoint(folder, name))?.ok, name);
    for (const name of ['configuration', 'pre-shared key of client1', 'UDP port'])
      assert.ok((await gatewayPoint(folder, name))?.ok, name);
  }));

test('programs that are not installed are named, each with its package', () =>
  withFolder(async folder => {
    const path = process.env.PATH;
    process.env.PATH = `/nowhere:${folder}`;
    try {
      for (const program of ['ip', 'nft']) writeFileSync(join(folder, program), '', { mode: 0o755 });
      assert.is(checkPrograms(['ip', 'nft']), '`ip`, `nft` are there');
      assert.is(checkExec(), 'cannot be used: `unshare` is not installed (apt-get install util-linux)');
      writeFileSync(join(folder, 'unshare'), '', { mode: 0o755 });
      assert.is(checkExec(), 'can be used: `ip`, `nft`, `unshare` are there');
      checkPrograms(['ip', 'resolvectl']);
      assert.unreachable();
    } catch (error) {
      const { code, message, remedy } = error as VpnrError;
      assert.is(code, 'MISSING_PROGRAM', message);
      assert.is(message, '`resolvectl` is not installed');
      assert.is(remedy, 'apt-get install systemd-resolved');
    } finally {
      process.env.PATH = path;
    }
  }));

test("a certificate that is over, or another's key, is found", () =>
  withFolder(async folder => {
    const over = makeCertificate(ADDRESS, -1);
    writeFileSync(join(folder, 'relay.crt'), over.certificate);
    assert.match((await relayPoint(folder, 'certificate'))?.message ?? '', /is not the key of/);
    writeFileSync(join(folder, 'relay.key'), over.key);
    const point = await relayPoint(folder, 'certificate');
    assert.is(point?.code, 'CERTIFICATE_INVALID');
    assert.match(point?.message ?? '', /is valid from .* to /);
    writeFileSync(join(folder, 'relay.key'), 'not a key');
    assert.match((await relayPoint(folder, 'certificate'))?.message ?? '', /not a private key/);
  }));

test('ports that are taken, and addresses of other machines, are found', () =>
  withFolder(async folder => {
    const [udp, tcp] = [createSocket('udp4'), createServer()];
    udp.bind(0, ADDRESS);
    tcp.listen(0, ADDRESS);
    await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
    try {
      const configure = (listen: string) => {
        const [file] = relayFiles(RELAY);
        writeFileSync(
          join(folder, 'relay.yaml'),
          String(file?.content).replace(/^listen: \S+/m, `listen: ${listen}`),
        );
      };
      configure(`${ADDRESS}:${udp.address().port}`);
      assert.is((await relayPoint(folder, 'UDP port'))?.code, 'ADDRESS_IN_USE');
      configure(`${ADDRESS}:${(tcp.address() as { port: number }).port}`);
      assert.is((await relayPoint(folder, 'TCP port'))?.code, 'ADDRESS_IN_USE');
      configure('192.0.2.99:7511');
      assert.is((await relayPoint(folder, 'UDP port'))?.ok, false);
      assert.is((await relayPoint(folder, 'TCP port'))?.ok, false);
    } finally {
      udp.close();
      tcp.close();
    }
  }));

test('a secret that others can read is found, with its remedy', () =>
  withFolder(async folder => {
    writeFileSync(join(folder, 'open.psk'), 'secret', { mode: 0o644 });
    const [file] = gatewayFiles(GATEWAY);
    writeFileSync(join(folder, 'gateway.yaml'), String(file?.content).replace('client1.psk', 'open.psk'));
    const point = await gatewayPoint(folder, 'pre-shared key of client1');
    assert.is(point?.code, 'SECRET_READABLE_BY_OTHERS');
    assert.match(point?.remedy ?? '', /^chmod 600 /);
  }));

test.run();
