import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findLink, hopTo, listAddresses } from '../../src/io/network.js';
import { readSysctl, writeSysctl } from '../../src/io/sysctl.js';
import { parseAddress } from '../../src/prefix.js';
import { RelayControl } from '../../src/relay/client.js';
import { RelayService, type RelayServiceOptions } from '../../src/relay/service.js';
import { Secret } from '../../src/secret.js';
import { Roster } from '../../src/service/roster.js';
import { deleteDevice, inPrivateNetwork, ip, makeDevice, snapshot } from '../io/private-network.js';
import { makeCertificates } from './certificates.js';

const TESTS = 4;
const LAN = '10.20.0.100';
/** A part of the network on `lan`. */
const POOL = '10.20.0.192/26';
const MTU = 1360;
const { relay: identity } = makeCertificates();

function machine(name: string, body: (options: RelayServiceOptions) => Promise<void>): void {
  test(name, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'vpnr-relay-host-'));
    makeDevice('lan', `${LAN}/24`);
    makeDevice('wan', '198.51.100.2/24');
    writeSysctl('net/ipv4/ip_forward', '0');
    const before = systemState();
    try {
      await body({
        name: 'relay',
        device: 'vpnr-rl0',
        listen: { address: LAN, port: 0 },
        pool: POOL,
        ...identity,
        clients: new Roster([['client1', Secret.fromText('token')]]),
        stateDirectory: join(directory, 'state'),
        runDirectory: join(directory, 'run'),
        ipip: true,
        mtu: MTU,
        onEvent: () => {},
      });
      assert.is(systemState(), before);
      assert.not.ok(existsSync(join(directory, 'run', 'relay.journal')));
    } finally {
      deleteDevice('lan');
      deleteDevice('wan');
      rmSync(directory, { recursive: true });
    }
  });
}

function systemState(): string {
  const parameters = ['net/ipv4/ip_forward', 'net/ipv4/conf/lan/proxy_arp', 'net/ipv4/conf/wan/proxy_arp'];
  return snapshot() + parameters.map(name => `\n${name} ${readSysctl(name)}`).join('');
}

/** The code of the error that the promise is rejected with. */
function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => 'none').catch(error => error.code);
}

async function assertSetUp(): Promise<void> {
  const link = await findLink('vpnr-rl0');
  assert.ok(link?.up);
  assert.is(link?.mtu, MTU);
  assert.equal(
    (await listAddresses('vpnr-rl0')).filter(entry => entry.scope === 'global').map(entry => entry.address),
    ['10.20.0.193'],
  );
  assert.is((await hopTo(parseAddress('10.20.0.200')))?.device, 'vpnr-rl0');
  assert.is((await hopTo(parseAddress('10.20.0.7')))?.device, 'lan');
  assert.is(readSysctl('net/ipv4/ip_forward'), '1');
  assert.is(readSysctl('net/ipv4/conf/lan/proxy_arp'), '1');
  assert.is(readSysctl('net/ipv4/conf/wan/proxy_arp'), '0');
}

if (inPrivateNetwork(TESTS)) {
  machine('a relay sets its machine up, gives a lease, and puts everything back', async options => {
    const service = await RelayService.start(options);
    try {
      await assertSetUp();
      for (const mode of ['clear', 'ipip'] as const) {
        const control = await RelayControl.connect({
          relay: { address: LAN, port: service.port },
          trust: { fingerprint: service.fingerprint },
          name: 'client1',
          token: Secret.fromText('token'),
          mode,
          onLost: () => {},
          onDrain: () => {},
        });
        assert.ok(control.grant.lease.startsWith('10.20.0.'));
        assert.is(control.grant.dataPort, service.port);
        assert.is(control.grant.mtu, MTU);
        await control.leave();
      }
      assert.is(service.status().sessions.length, 2);
    } finally {
      assert.equal(await service.stop(), []);
    }
    assert.is(await findLink('vpnr-rl0'), undefined);
  });

  machine('a relay that cannot start leaves nothing behind', async options => {
    assert.is(await code(RelayService.start({ ...options, certificate: 'none' })), 'CERTIFICATE_INVALID');
    assert.is(
      await code(RelayService.start({ ...options, listen: { address: '192.0.2.9', port: 0 } })),
      'SYSTEM_CALL',
    );
    assert.is(await code(RelayService.start({ ...options, pool: '10.20.0.0/33' })), 'CONFIG_INVALID');
    ip('route', 'add', POOL, 'dev', 'wan');
    assert.is(await code(RelayService.start(options)), 'POOL_OVERLAPS');
    ip('route', 'delete', POOL);
  });

  machine('a second relay of the same name is refused, and does not disturb the first', async options => {
    const service = await RelayService.start(options);
    try {
      const second = { ...options, device: 'vpnr-rl1' };
      assert.is(await code(RelayService.start(second)), 'ALREADY_RUNNING');
      await assertSetUp();
    } finally {
      await service.stop();
    }
  });

  machine('after SIGKILL, the next start cleans up', async options => {
    const { key, clients, onEvent, ...plain } = options;
    const module = new URL('../../src/relay/service.js', import.meta.url).href;
    const secret = new URL('../../src/secret.js', import.meta.url).href;
    const roster = new URL('../../src/service/roster.js', import.meta.url).href;
    const script = `
      const { RelayService } = await import(${JSON.stringify(module)});
      const { Secret } = await import(${JSON.stringify(secret)});
      const { Roster } = await import(${JSON.stringify(roster)});
      await RelayService.start({
        ...${JSON.stringify(plain)},
        key: Secret.fromText(process.env.KEY),
        clients: new Roster([['client1', Secret.fromText('token')]]),
        onEvent: event => console.log(event.type),
      });`;
    const file = join(options.stateDirectory, '..', 'relay.mjs');
    writeFileSync(file, script);
    const child = spawn(process.execPath, [file], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, KEY: Buffer.from(key.reveal()).toString() },
    });
    const exited = once(child, 'exit');
    try {
      await Promise.race([once(child.stdout, 'data'), exited]);
      await assertSetUp();
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
    assert.is(readSysctl('net/ipv4/ip_forward'), '1');
    const service = await RelayService.start(options);
    try {
      await assertSetUp();
    } finally {
      assert.equal(await service.stop(), []);
    }
  });

  test.run();
}
