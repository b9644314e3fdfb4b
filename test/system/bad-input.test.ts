import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { ErrorCode } from '../../src/errors.js';
import { runCommand } from '../../src/lab/command.js';
import {
  type City,
  type Configuration,
  type Host,
  injectFault,
  RELAY_ADDRESS,
  until,
} from '../../src/lab/index.js';
import { figures, PROGRAM, systemTests, withCity } from './support.js';

const test = systemTests();
/** The user and group "nobody" of Debian. */
const NOBODY = 65_534;

interface Expected {
  code: ErrorCode;
  status: number;
  /** What the line must also say. */
  says?: RegExp;
}

/** Runs `command` in a host: it must fail with one clear line, and the host must be as it was. */
async function fails(city: City, host: Host, command: readonly string[], expected: Expected): Promise<void> {
  const runtime = join(city.lab.folder, 'run', 'vpnr');
  const files = () => (existsSync(runtime) ? readdirSync(runtime).sort() : []);
  const before = { network: await host.network(), files: files() };
  const started = performance.now();
  const { status, stderr, stdout } = await host.try(command, { timeoutMs: 60_000 });
  const said = `${stdout}${stderr}`;
  const lines = stderr.trimEnd().split('\n');
  assert.match(lines[0] ?? '', new RegExp(`^error ${expected.code}: \\S`), said);
  assert.is(status, expected.status, said);
  assert.ok(lines.length <= 2, `one line, and at most one with the remedy:\n${stderr}`);
  assert.not.match(said, /\n\s+at .*:\d+/, 'no stack trace');
  if (expected.says !== undefined) assert.match(stderr, expected.says);
  assert.equal(await host.network(), before.network, 'the network is as it was');
  assert.equal(files(), before.files, '/run/vpnr is as it was');
  figures(`${(performance.now() - started).toFixed(0)} ms: ${lines[0]}`);
}

interface Case {
  name: string;
  expected: Expected;
  /** Only to tokyo, so that what osaka says does not matter. */
  edit?: (configuration: Configuration, city: City) => void;
  before?: (city: City) => Promise<void> | void;
  /** The text of the file, made from the usual one. */
  text?: (text: string) => string;
}

const connectCases: Case[] = [
  {
    name: 'wrong pre-shared key',
    expected: { code: 'AUTHENTICATION_FAILED', status: 6, says: /tokyo/ },
    before: city => writeFileSync(join(city.client.folder, 'tokyo.psk'), 'wrong\n', { mode: 0o600 }),
  },
  {
    name: 'unknown identity',
    expected: { code: 'AUTHENTICATION_FAILED', status: 6, says: /tokyo/ },
    edit: configuration => {
      configuration.identity = 'stranger';
    },
  },
  {
    name: 'a gateway that is not who it must be',
    expected: { code: 'AUTHENTICATION_FAILED', status: 6, says: /tokyo/ },
    edit: configuration => {
      configuration.gateways[0].identity = 'kyoto.example.net';
    },
  },
  {
    name: 'no common IKE proposal',
    expected: { code: 'NO_PROPOSAL_CHOSEN', status: 5, says: /tokyo/ },
    edit: configuration => {
      configuration.gateways[0].ike = ['aes128gcm16-prfsha256-x25519'];
    },
  },
  {
    name: 'no common ESP proposal',
    expected: { code: 'NO_PROPOSAL_CHOSEN', status: 5, says: /tokyo/ },
    edit: configuration => {
      configuration.gateways[0].esp = ['aes128gcm16'];
    },
  },
  {
    name: 'a gateway whose charon does not run',
    expected: { code: 'GATEWAY_TIMEOUT', status: 5, says: /tokyo/ },
    before: city => injectFault(city, 'tokyo', 'kill'),
  },
  {
    name: 'a gateway that does not answer',
    expected: { code: 'GATEWAY_TIMEOUT', status: 5, says: /tokyo/ },
    before: city => injectFault(city, 'tokyo', 'blackhole-out'),
  },
  {
    name: 'a gateway without an address',
    expected: { code: 'GATEWAY_UNRESOLVED', status: 5, says: /gateway\.invalid/ },
    edit: configuration => {
      configuration.gateways[0].address = 'gateway.invalid';
    },
  },
  {
    name: 'a relay that refuses the token',
    expected: { code: 'RELAY_TOKEN_REFUSED', status: 6 },
    before: city => writeFileSync(join(city.client.folder, 'relay.token'), 'another\n', { mode: 0o600 }),
  },
  {
    name: 'a relay that shows another certificate',
    expected: { code: 'RELAY_CERTIFICATE', status: 6 },
    edit: configuration => {
      configuration.relay.fingerprint = `sha256:${'00'.repeat(32)}`;
    },
  },
  {
    name: 'a relay that is not there',
    expected: { code: 'RELAY_UNREACHABLE', status: 5 },
    edit: configuration => {
      configuration.relay.address = '10.20.0.101';
    },
  },
  {
    name: 'a route that is there already',
    expected: { code: 'ROUTE_EXISTS', status: 4, says: /10\.30\.0\.0\/16/ },
    before: async city => {
      await city.client.run(['ip', 'route', 'add', '10.30.0.0/16', 'via', '192.0.2.1']);
    },
  },
  {
    name: 'a device of that name',
    expected: { code: 'DEVICE_BUSY', status: 4, says: /vpnr0/ },
    before: async city => {
      await city.client.run(['ip', 'link', 'add', 'vpnr0', 'type', 'bridge']);
    },
  },
  {
    name: 'malformed YAML',
    expected: { code: 'CONFIG_SYNTAX', status: 3, says: /client\.yaml:\d+:\d+/ },
    text: text => `${text}gateways: [\n`,
  },
  {
    name: 'an unknown key',
    expected: { code: 'CONFIG_INVALID', status: 3, says: /client\.yaml:\d+:\d+.*mtus/ },
    edit: configuration => {
      configuration.tunnel.mtus = 1400;
    },
  },
  {
    name: 'a value of the wrong type',
    expected: { code: 'CONFIG_INVALID', status: 3, says: /client\.yaml:\d+:\d+/ },
    edit: configuration => {
      configuration.gateways = 'tokyo';
    },
  },
  {
    name: 'a key file that all may read',
    expected: { code: 'SECRET_READABLE_BY_OTHERS', status: 3, says: /tokyo\.psk/ },
    before: city => chmodSync(join(city.client.folder, 'tokyo.psk'), 0o644),
  },
  {
    name: 'a key file that is not there',
    expected: { code: 'SECRET_NOT_FOUND', status: 3, says: /tokyo\.psk/ },
    before: city => rmSync(join(city.client.folder, 'tokyo.psk')),
  },
];

for (const { name, expected, edit, before, text } of connectCases) {
  test(`connect: ${name}`, () =>
    withCity({}, async city => {
      await city.startRelay();
      const configuration = city.clientConfiguration();
      configuration.gateways.pop();
      edit?.(configuration, city);
      let file = city.write(city.client, 'client.yaml', configuration);
      if (text !== undefined) {
        file = city.write(city.client, 'client.yaml', text('name: work\n'));
      }
      await before?.(city);
      await fails(city, city.client, [...PROGRAM, 'connect', '-c', file], expected);
    }));
}

test('connect: no configuration file', () =>
  withCity({}, async city => {
    const file = join(city.client.folder, 'none.yaml');
    await fails(city, city.client, [...PROGRAM, 'connect', '-c', file], {
      code: 'CONFIG_NOT_FOUND',
      status: 3,
    });
    await fails(city, city.client, [...PROGRAM, 'connect'], { code: 'USAGE', status: 2 });
    await fails(city, city.client, [...PROGRAM, 'connect', '--nonsense'], { code: 'USAGE', status: 2 });
    await fails(city, city.client, [...PROGRAM, 'status'], { code: 'NOT_RUNNING', status: 4 });
    await fails(city, city.client, [...PROGRAM, 'disconnect'], { code: 'NOT_RUNNING', status: 4 });
  }));

test('connect: no /dev/net/tun', () =>
  withCity({}, async city => {
    const file = city.write(city.client, 'client.yaml', city.clientConfiguration());
    // Seen only by this process: hosts' processes have mount namespaces of their own.
    const without = ['sh', '-c', 'mount -t tmpfs none /dev/net && exec "$@"', 'sh'];
    const command = [...without, ...PROGRAM, 'connect', '-c', file];
    await fails(city, city.client, command, { code: 'NO_TUN', status: 4 });
  }));

test('connect and relay: not root', () =>
  withCity({}, async city => {
    // The laboratory's folders are closed to others, so the files are put where nobody may read them.
    const folder = mkdtempSync(join(tmpdir(), 'vpnr-nobody-'));
    try {
      chmodSync(folder, 0o755);
      city.write(city.client, 'client.yaml', city.clientConfiguration());
      city.write(city.relay, 'relay.yaml', city.relayConfiguration());
      for (const host of [city.client, city.relay]) {
        for (const file of readdirSync(host.folder).filter(name =>
          /\.(yaml|psk|token|crt|key)$/.test(name),
        )) {
          copyFileSync(join(host.folder, file), join(folder, file));
          chownSync(join(folder, file), NOBODY, NOBODY);
        }
      }
      const asNobody = [
        'env',
        `HOME=${folder}`,
        'setpriv',
        `--reuid=${NOBODY}`,
        `--regid=${NOBODY}`,
        '--clear-groups',
        ...PROGRAM,
      ];
      for (const command of ['connect', 'relay']) {
        const file = join(folder, command === 'connect' ? 'client.yaml' : 'relay.yaml');
        await fails(city, city.client, [...asNobody, command, '-c', file], { code: 'NOT_ROOT', status: 4 });
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  }));

test('connect: twice', () =>
  withCity({}, async city => {
    await city.startRelay();
    const connection = city.connect();
    await connection.event('connected');
    const file = join(city.client.folder, 'client.yaml');
    const expected: Expected = { code: 'ALREADY_RUNNING', status: 4 };
    await fails(city, city.client, [...PROGRAM, 'connect', '-c', file], expected);
    assert.is((await connection.status()).state, 'connected');
  }));

interface RelayCase extends Omit<Case, 'edit'> {
  edit?: (configuration: Configuration) => void;
}

const relayCases: RelayCase[] = [
  {
    name: 'a certificate that is none',
    expected: { code: 'CERTIFICATE_INVALID', status: 3, says: /relay\.crt/ },
    before: city => writeFileSync(join(city.relay.folder, 'relay.crt'), 'nonsense'),
  },
  {
    name: 'a token that all may read',
    expected: { code: 'SECRET_READABLE_BY_OTHERS', status: 3, says: /client1\.token/ },
    before: city => chmodSync(join(city.relay.folder, 'client1.token'), 0o644),
  },
  {
    name: 'an address that is not there',
    expected: { code: 'SYSTEM_CALL', status: 4, says: /10\.20\.0\.99/ },
    edit: configuration => {
      configuration.listen = '10.20.0.99:7511';
    },
  },
  {
    name: 'an unknown key',
    expected: { code: 'CONFIG_INVALID', status: 3, says: /relay\.yaml:\d+:\d+/ },
    edit: configuration => {
      configuration.pools = '10.30.200.0/24';
    },
  },
];

for (const { name, expected, edit, before } of relayCases) {
  test(`relay: ${name}`, () =>
    withCity({}, async city => {
      const configuration = city.relayConfiguration();
      edit?.(configuration);
      const file = city.write(city.relay, 'relay.yaml', configuration);
      await before?.(city);
      await fails(city, city.relay, [...PROGRAM, 'relay', '-c', file], expected);
    }));
}

test('relay: twice', () =>
  withCity({}, async city => {
    await city.startRelay();
    const another = {
      ...city.relayConfiguration(),
      name: 'another',
      device: 'another0',
      pool: '10.31.0.0/24',
    };
    const file = city.write(city.relay, 'another.yaml', another);
    await fails(city, city.relay, [...PROGRAM, 'relay', '-c', file], { code: 'ADDRESS_IN_USE', status: 4 });
  }));

test('random datagrams to every open port change nothing', () =>
  withCity({}, async city => {
    const relay = await city.startRelay();
    const connection = city.connect();
    const { address } = await connection.event('connected');
    const ports = async (host: Host, pid: number | undefined) =>
      [
        ...(await host.run(['cat', `/proc/${pid}/net/udp`])).matchAll(/^\s*\d+: [0-9A-F]{8}:([0-9A-F]{4})/gm),
      ].map(match => Number.parseInt(match[1] ?? '', 16));
    const flood = (from: Host, to: string, toPorts: number[]) =>
      from.run([process.execPath, '-e', FLOOD, to, JSON.stringify(toPorts)], { timeoutMs: 60_000 });
    const memory = (pid: number | undefined) => city.client.run(['grep', 'VmRSS', `/proc/${pid}/status`]);
    await flood(city.internet, '192.0.2.2', await ports(city.client, connection.process.pid));
    await flood(city.lab.host('tokyo'), RELAY_ADDRESS, await ports(city.relay, relay.pid));
    await until('traffic passes', 30_000, async () => {
      const ping = await city.client.try(['ping', '-c', '1', '-W', '1', '10.30.0.10']);
      return ping.status === 0 || undefined;
    });
    const status = await connection.status();
    assert.is(status.address, address);
    assert.is(status.state, 'connected');
    assert.ok(relay.running && connection.process.running);
    const size = async (pid: number | undefined) => (await memory(pid)).replace(/\s+/g, ' ').trim();
    figures(`client ${await size(connection.process.pid)}, relay ${await size(relay.pid)}`);
  }));

/** Sends 20,000 datagrams of random bytes, half of them beginning like relay packets or IKE, to each port. */
const FLOOD = `
const [to, ports] = process.argv.slice(1);
const { randomBytes, randomInt } = require('node:crypto');
const socket = require('node:dgram').createSocket('udp4');
const starts = [Buffer.alloc(0), Buffer.from([1, 1]), Buffer.from([1, 2, 0, 0]), Buffer.alloc(4)];
(async () => {
  for (const port of JSON.parse(ports)) {
    for (let sent = 0; sent < 20000; sent++) {
      const datagram = Buffer.concat([starts[sent % 4], randomBytes(randomInt(0, 1400))]);
      await new Promise(resolve => socket.send(datagram, port, to, resolve));
    }
  }
  socket.close();
})();
`;

test('rights that cannot be given up are kept, with a warning', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-rights-'));
  try {
    // A program that is gone cannot be started anew.
    const node = join(folder, 'node');
    copyFileSync(process.execPath, node);
    const remove =
      "data:text/javascript,import { unlinkSync as remove } from 'node:fs'; remove(process.execPath)";
    const [, script = ''] = PROGRAM;
    const command = [node, '--import', remove, script, 'relay', '-c', join(folder, 'none.yaml')];
    const { status, stderr } = await runCommand(command);
    assert.match(
      stderr,
      /^warning: rights that are not needed are kept: run .*ENOENT.*\nerror CONFIG_NOT_FOUND: /,
    );
    assert.is(status, 3);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
