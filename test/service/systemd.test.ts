import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ServiceManager } from '../../src/cli/service-manager.js';
import { inspectService, installService, removeService } from '../../src/cli/systemd.js';
import { loggedEvent } from '../../src/control/event-log.js';
import type { VpnrError } from '../../src/errors.js';
import { templateText, unitText } from '../../src/service/unit.js';
import { NotifyListener } from '../support/notify.js';

async function inFolder(run: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-service-'));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('a service manager is told of readiness, state and the end, by path and by abstract name', () =>
  inFolder(folder => {
    for (const name of [join(folder, 'notify'), `@vpnr-test-${process.pid}`]) {
      const listener = new NotifyListener(name);
      const environment = { NOTIFY_SOCKET: name };
      const manager = ServiceManager.fromEnvironment(environment, () => true);
      assert.equal(environment, {});
      manager?.take(
        loggedEvent('client', { event: 'connecting', gateway: 'tokyo', address: '192.0.2.1' } as never),
      );
      assert.equal(listener.take(), ['STATUS=connecting to tokyo (192.0.2.1)']);
      manager?.take(loggedEvent('client', { event: 'notice', message: 'a\nb' } as never));
      assert.equal(listener.take(), ['STATUS=a b']);
      manager?.take(loggedEvent('client', { event: 'connected', gateway: 'tokyo' } as never));
      assert.match(listener.take()[0] ?? '', /^READY=1\nSTATUS=connected through tokyo/);
      // A full queue: readiness is told when there is room.
      for (let i = 0; i < 2000; i++)
        manager?.take(loggedEvent('client', { event: 'drain', gateway: `${i}` } as never));
      manager?.take(loggedEvent('client', { event: 'connected', gateway: 'osaka' } as never));
      listener.take();
      manager?.stopping();
      assert.match(listener.take()[0] ?? '', /^READY=1\nSTATUS=connected through osaka[^\n]*\nSTOPPING=1$/);
      manager?.stopping();
      assert.equal(listener.take(), ['STOPPING=1']);
      manager?.close();
      listener.close();
    }
    assert.is(
      ServiceManager.fromEnvironment({}, () => true),
      undefined,
    );
  }));

test('the watchdog is fed while the worker answers, and by this process only', () =>
  inFolder(async folder => {
    const name = join(folder, 'notify');
    const listener = new NotifyListener(name);
    const run = async (pid: number, answers: boolean) => {
      let asked = 0;
      const environment = { NOTIFY_SOCKET: name, WATCHDOG_USEC: '2000', WATCHDOG_PID: `${pid}` };
      const manager = ServiceManager.fromEnvironment(environment, () => {
        asked++;
        return answers;
      });
      const end = performance.now() + (pid === process.pid ? 5000 : 20);
      while (asked < 3 && performance.now() < end) await new Promise(done => setTimeout(done, 2));
      manager?.close();
      return { asked, fed: listener.take().filter(text => text === 'WATCHDOG=1').length };
    };
    const fed = await run(process.pid, true);
    assert.ok(fed.asked >= 3 && fed.fed === fed.asked, JSON.stringify(fed));
    assert.is((await run(process.pid, false)).fed, 0);
    assert.equal(await run(process.pid + 1, true), { asked: 0, fed: 0 });
    listener.close();
  }));

test('a unit is written for what is configured, and removed', () =>
  inFolder(async folder => {
    const config = join(folder, 'relay one.yaml');
    writeFileSync(
      config,
      'listen: 10.20.0.100\npool: 10.30.200.0/24\ncertificate: c\nkey: k\nstate: state\nclients: [{ identity: a, token: { file: t } }]\n',
    );
    const { unit, file } = await installService(inspectService('relay', config, undefined), folder);
    assert.is(unit, 'vpnr-relay.service');
    assert.is(statSync(file).mode & 0o777, 0o644);
    const text = readFileSync(file, 'utf8');
    assert.match(text, new RegExp(`^ExecStart=\\S+ \\S+ relay --config "${config}"$`, 'm'));
    assert.match(text, new RegExp(`^ExecReload=\\S+ \\S+ reload --config "${config}"$`, 'm'));
    assert.match(text, /^ExecStopPost=-\S+ \S+ disconnect relay --left-over$/m);
    assert.match(text, new RegExp(`^ReadWritePaths=${folder}$`, 'm'));
    assert.is(removeService('relay', folder), file);
    try {
      removeService('relay', folder);
      assert.unreachable();
    } catch (error) {
      assert.is((error as VpnrError).code, 'NOT_RUNNING');
    }
  }));

test('words of a command line are quoted for systemd', () => {
  const command = ['/usr/bin/vpnr', 'connect', '/a b/100%/$x/"y"\\'];
  const text = unitText({ role: 'client', name: 'work', command, afterwards: command, writes: [] });
  assert.ok(text.includes('ExecStart=/usr/bin/vpnr connect "/a b/100%%/$$x/\\"y\\"\\\\"\n'), text);
});

test("a package's unit runs the configuration that its instance is named after", () => {
  for (const [role, start] of [
    ['client', 'vpnr connect --persist'],
    ['relay', 'vpnr relay'],
    ['gateway', 'vpnr gateway'],
  ] as const) {
    const text = templateText(role);
    assert.ok(text.includes(`ExecStart=${start} -c /etc/vpnr/%i.yaml\n`), text);
    assert.ok(text.includes('Type=notify\n'));
    assert.is(text.includes('ExecReload=vpnr reload -c /etc/vpnr/%i.yaml\n'), role !== 'client');
  }
});

test.run();
