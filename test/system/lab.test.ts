import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { runCommand } from '../../src/lab/command.js';
import {
  GATEWAYS,
  gatewayConfiguration,
  type Host,
  Lab,
  type LabPlan,
  ROAD_WARRIOR,
  roadWarriorConfiguration,
  Stream,
  StrongSwan,
  Transfer,
  until,
} from '../../src/lab/index.js';
import { figures, systemTests, withCity, withLab } from './support.js';

const test = systemTests();

const TWO_HOSTS: LabPlan = {
  networks: ['wire'],
  hosts: {
    left: { links: { wire: { addresses: ['192.0.2.1/24'] } } },
    right: { links: { wire: { addresses: ['192.0.2.2/24'] } } },
  },
};

/** One echo request from `host`, answered within a second. */
async function reaches(host: Host, address: string): Promise<boolean> {
  return (await host.try(['ping', '-c', '1', '-W', '1', address])).status === 0;
}

async function namespaces(prefix: string): Promise<string[]> {
  const { stdout } = await runCommand(['ip', 'netns', 'list']);
  return stdout.split('\n').filter(line => line.startsWith(prefix));
}

test('hosts reach each other, through faults and after them', () =>
  withLab(TWO_HOSTS, async lab => {
    const left = lab.host('left');
    const link = lab.host('right').link('wire');
    assert.ok(await reaches(left, '192.0.2.2'));
    for (const direction of ['in', 'out', 'both'] as const) {
      await link.drop({ direction });
      assert.not.ok(await reaches(left, '192.0.2.2'), `dropped: ${direction}`);
    }
    await link.drop({ direction: 'both', udpPort: 4500 });
    assert.ok(await reaches(left, '192.0.2.2'), 'only a port is dropped');
    await link.restore();
    await link.down();
    assert.not.ok(await reaches(left, '192.0.2.2'), 'down');
    await link.up();
    await until('the link works again', 30_000, async () => (await reaches(left, '192.0.2.2')) || undefined);
  }));

test('a stream of datagrams tells what becomes of each', () =>
  withLab(TWO_HOSTS, async lab => {
    const [client, server] = [lab.host('left'), lab.host('right')];
    const link = server.link('wire');
    const run = async (fault: () => Promise<void>) => {
      const stream = await Stream.start({ client, server, address: '192.0.2.2' });
      await reaches(client, '192.0.2.2');
      await fault();
      return stream.finish();
    };
    const whole = await run(async () => {});
    assert.ok(whole.up.sent > 0 && whole.down.sent > 0);
    for (const { sent, received, lost, doubled, reordered } of [whole.up, whole.down]) {
      assert.equal([received, lost, doubled, reordered], [sent, 0, 0, 0]);
    }
    const holed = await run(async () => {
      await link.drop({ direction: 'in' });
      assert.not.ok(await reaches(client, '192.0.2.2'));
      await link.restore();
    });
    assert.ok(holed.up.lost > 0);
    assert.is(holed.up.received, holed.up.sent - holed.up.lost);
    assert.ok(holed.up.longestPauseMs >= holed.up.lost / 2);
    assert.is(holed.down.lost, 0);
  }));

test('a drop in one direction leaves the other', () =>
  withLab(TWO_HOSTS, async lab => {
    const listen =
      "const s=require('dgram').createSocket('udp4');s.on('message',m=>console.log('got '+m));s.bind(5000,()=>console.log('bound'))";
    const receiver = lab.host('right').spawn([process.execPath, '-e', listen], { name: 'receiver' });
    await receiver.line(/bound/);
    const send = async (word: string) => {
      const script = `require('dgram').createSocket('udp4').send('${word}',5000,'192.0.2.2',()=>process.exit())`;
      await lab.host('left').run([process.execPath, '-e', script]);
    };
    const link = lab.host('right').link('wire');
    await link.drop({ direction: 'out' });
    await send('one');
    await receiver.line(/got one/);
    await link.drop({ direction: 'in' });
    await send('two');
    await link.restore();
    await send('three');
    await receiver.line(/got three/);
    assert.not.ok(receiver.lines.includes('got two'));
  }));

test('closing ends the processes and removes namespaces and folder', async () => {
  const lab = await Lab.create(TWO_HOSTS);
  const sleeper = lab.host('left').spawn(['sleep', '1000']);
  const parent = lab.host('right').spawn(['sh', '-c', 'sleep 1000 & echo $!; wait']);
  const grandchild = Number(await parent.line(/^\d+$/));
  assert.is((await namespaces(lab.prefix)).length, 3);
  lab.close();
  await Promise.all([sleeper.exited, parent.exited]);
  await until('the grandchild has ended', 30_000, () => !existsSync(`/proc/${grandchild}/fd/0`) || undefined);
  assert.equal(await namespaces(lab.prefix), []);
  assert.not.ok(existsSync(lab.folder));
});

for (const way of ['SIGINT', 'SIGTERM', 'throw', 'exit', 'SIGKILL'] as const) {
  test(`nothing is left of a laboratory whose owner ends by ${way}`, async () => {
    const program = fileURLToPath(new URL('./lab-owner.js', import.meta.url));
    const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'ignore'] });
    const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
    const { prefix, folder, pid } = JSON.parse(line) as { prefix: string; folder: string; pid: number };
    assert.is((await namespaces(prefix)).length, 3);
    if (way.startsWith('SIG')) child.kill(way as NodeJS.Signals);
    else child.stdin.write(`${way}\n`);
    await once(child, 'exit');
    // Nobody can clean up after SIGKILL but the next to start.
    if (way === 'SIGKILL') (await Lab.create(TWO_HOSTS)).close();
    assert.equal(await namespaces(prefix), []);
    assert.not.ok(existsSync(folder));
    await until('its process has ended', 30_000, () => !existsSync(`/proc/${pid}/fd/0`) || undefined);
  });
}

test('a laboratory whose owner lives is left alone', async () => {
  const first = await Lab.create(TWO_HOSTS);
  const second = await Lab.create(TWO_HOSTS);
  second.close();
  assert.ok(await reaches(first.host('left'), '192.0.2.2'));
  first.close();
});

test('a host shows its network as it is', () =>
  withLab(TWO_HOSTS, async lab => {
    const left = lab.host('left');
    const before = await left.network();
    assert.equal(await left.network(), before);
    await left.run(['ip', 'route', 'add', '10.0.0.0/8', 'via', '192.0.2.2']);
    const after = await left.network();
    assert.is(after.routes.length, before.routes.length + 1);
    await left.run(['ip', 'route', 'del', '10.0.0.0/8']);
    assert.equal(await left.network(), before);
  }));

test('strongSwan to strongSwan: traffic passes, also after SIGKILL and a new start of the gateway', () =>
  withLab(
    {
      networks: ['outer', 'inner'],
      hosts: {
        client: { links: { outer: { addresses: ['198.51.100.2/24'] } }, privateRun: true },
        gateway: {
          links: { outer: { addresses: ['198.51.100.10/24'] }, inner: { addresses: ['10.20.0.11/16'] } },
          sysctls: { 'net.ipv4.ip_forward': '1' },
          privateRun: true,
        },
        server: {
          links: { inner: { addresses: ['10.20.0.100/16'] } },
          routes: ['10.61.0.0/24 via 10.20.0.11'],
        },
      },
    },
    async lab => {
      const client1 = { identity: 'client1', psk: 'a "quoted" key' };
      const { identity, pool } = GATEWAYS.tokyo;
      const gateway = new StrongSwan(lab.host('gateway'), {
        swanctl: gatewayConfiguration({ identity, pool, clients: [client1] }),
      });
      const client = new StrongSwan(lab.host('client'), {
        swanctl: roadWarriorConfiguration({
          ...client1,
          gateway: { address: '198.51.100.10', identity },
          networks: ['10.20.0.0/16'],
        }),
      });
      await Promise.all([gateway.start(), client.start()]);
      const initiate = async () => {
        const result = await client.swanctl('--initiate', '--child', ROAD_WARRIOR, '--timeout', '30');
        assert.is(result.status, 0, result.stdout + result.stderr);
      };
      await initiate();
      const transfer = await Transfer.start({
        client: lab.host('client'),
        server: lab.host('server'),
        address: '10.20.0.100',
        bytes: 20_000_000,
      });
      const result = await transfer.result(60_000);
      figures(
        `strongSwan to strongSwan: ${(result.up.bytes / 1e6).toFixed(0)} MB each way in ${result.ms.toFixed(0)} ms`,
      );
      assert.match(await gateway.associations(), 'ESTABLISHED');
      await gateway.kill();
      assert.not.ok(await reaches(lab.host('client'), '10.20.0.100'));
      await gateway.start();
      await client.kill();
      await client.start();
      await initiate();
      assert.ok(await reaches(lab.host('client'), '10.20.0.100'));
    },
  ));

test('the city: every part is where the configuration says', () =>
  withCity({}, async city => {
    const { client, relay, server } = city;
    for (const gateway of Object.values(GATEWAYS)) {
      assert.ok(await reaches(client, gateway.outer));
      assert.ok(await reaches(relay, gateway.inner));
      assert.ok(await reaches(city.lab.host('tokyo'), '10.30.0.10'));
    }
    assert.ok(await reaches(server, '10.20.0.11'));
    assert.not.ok(await reaches(client, '10.20.0.100'), 'the inner network is not reached without a tunnel');
    assert.match(city.fingerprint, /^sha256:[0-9a-f]{64}$/);
    for (const gateway of Object.values(city.gateways))
      assert.is((await gateway.swanctl('--stats')).status, 0);
  }));

test.run();
