// Command lines that cannot work: one clear line, what to do, the exit status of the class, and nothing half-written.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCertificate } from '../../src/init/certificate.js';
import { findProgram } from '../../src/lab/command.js';
import { callsIn, commands, complaint } from './command-lines.js';
import { PROGRAM } from './support.js';

const TIMEOUT_MS = 60_000;
const NOBODY = 65_534;

function vpnr(args: readonly string[], options: { uid?: number; env?: Record<string, string> } = {}) {
  const [program = '', ...first] = PROGRAM;
  return spawnSync(program, [...first, ...args], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    input: '',
    ...(options.uid !== undefined && { uid: options.uid, gid: options.uid }),
    env: { ...process.env, VPNR_RUNTIME_DIR: join(tmpdir(), 'vpnr-nothing-here'), ...options.env },
  });
}

function inFolder(body: (folder: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vpnr-usage-'));
    try {
      await body(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

const WRONG: [args: string, code: string, status: number][] = [
  ['nonsense', 'USAGE', 2],
  ['init', 'USAGE', 2],
  ['init nonsense', 'USAGE', 2],
  ['init --from FOLDER/missing.conf --dir FOLDER', 'CONFIG_NOT_FOUND', 3],
  ['init --invitation FOLDER/missing', 'SECRET_NOT_FOUND', 3],
  ['init relay --dir FOLDER --address nonsense/24', 'USAGE', 2],
  ['bench --nonsense', 'USAGE', 2],
  ['service --name work', 'USAGE', 2],
  ['exec --name nobody -- true', 'NOT_RUNNING', 4],
  ['connect', 'USAGE', 2],
  ['connect -c FOLDER', 'CONFIG_NOT_FOUND', 3],
  ['connect -c FOLDER/missing.yaml', 'CONFIG_NOT_FOUND', 3],
  ['connect -c FOLDER/broken.yaml', 'CONFIG_SYNTAX', 3],
  ['connect --detach -c FOLDER/broken.yaml', 'CONFIG_SYNTAX', 3],
  ['relay -c FOLDER/missing.yaml', 'CONFIG_NOT_FOUND', 3],
  ['gateway -c FOLDER/broken.yaml --no-such-flag', 'USAGE', 2],
  ['check -c FOLDER/empty.yaml', 'CONFIG_INVALID', 3],
  ['status nobody', 'NOT_RUNNING', 4],
  ['status --watch --interval soon', 'USAGE', 2],
  ['logs nobody', 'NOT_RUNNING', 4],
  ['switch tokyo', 'NOT_RUNNING', 4],
  ['drain', 'NOT_RUNNING', 4],
  ['reload', 'NOT_RUNNING', 4],
  ['reload -c FOLDER/broken.yaml', 'CONFIG_SYNTAX', 3],
  ['disconnect nobody', 'NOT_RUNNING', 4],
  ['service remove nobody', 'NOT_RUNNING', 4],
  ['service remove x/../../../tmp/y', 'USAGE', 2],
  ['status ../x', 'USAGE', 2],
  ['logs ../x', 'USAGE', 2],
  ['drain ../x', 'USAGE', 2],
  ['disconnect ../x --left-over', 'USAGE', 2],
  ['switch tokyo --name ../x', 'USAGE', 2],
  ['exec --name ../x -- true', 'USAGE', 2],
  ['demo --fault flood', 'USAGE', 2],
  ['demo --report FOLDER/missing/report.html', 'USAGE', 2],
  ['bench crypto --report FOLDER/missing/report.html', 'USAGE', 2],
  ['init client --invitation FOLDER/missing', 'SECRET_NOT_FOUND', 3],
  ['init gateway --dir /proc/nothing --network 10.0.0.0/8', 'SYSTEM_CALL', 4],
  ['init gateway --dir FOLDER --network 10.0.0.0/33', 'USAGE', 2],
  ['init relay --dir FOLDER --address 10.20.0.100 --network nonsense', 'USAGE', 2],
];

test(
  'each wrong command line ends with one line, its remedy, and the status of its class',
  inFolder(folder => {
    writeFileSync(join(folder, 'broken.yaml'), 'gateways: [\n');
    writeFileSync(join(folder, 'empty.yaml'), '');
    const before = readdirSync(folder);
    for (const [args, code, status] of WRONG) {
      const result = vpnr(args.split(' ').map(word => word.replace('FOLDER', folder)));
      assert.match(result.stderr, new RegExp(`^error ${code}: \\S`), args);
      assert.is(result.status, status, args);
      assert.is(result.stdout, '', args);
      assert.not.match(result.stderr, /\n\s+at /, args);
      assert.not.ok(result.stderr.includes('\u001b'), 'colours, though this is no terminal');
    }
    assert.equal(readdirSync(folder), before);
  }),
);

test('every command refuses a flag that it does not have', () => {
  for (const [name] of commands()) {
    const { status, stderr } = vpnr([...name.split(' '), '--no-such-flag']);
    assert.match(stderr, /^error USAGE: \S.*no-such-flag/, name);
    assert.is(status, 2, name);
  }
});

test(
  'a program that reads gets the error as JSON',
  inFolder(folder => {
    const { stdout, status } = vpnr(['connect', '-c', join(folder, 'missing.yaml'), '--json']);
    const { event, code } = JSON.parse(stdout) as Record<string, string>;
    assert.equal([event, code, status], ['error', 'CONFIG_NOT_FOUND', 3]);
    for (const args of ['nonsense --json', 'bench --json --nonsense', 'exec --json --name nobody -- true']) {
      const result = vpnr(args.split(' '));
      assert.is(JSON.parse(result.stdout).event, 'error', args);
      assert.is(result.stderr, '', args);
    }
  }),
);

test('help and version have the names that are common', () => {
  const said = (args: string) => vpnr(args.split(' ')).stdout;
  const [help, status, version] = [said('--help'), said('status --help'), said('--version')];
  assert.match(help, /^USAGE$/m);
  assert.equal(['-h', 'help'].map(said), [help, help]);
  assert.equal(['status -h', 'help status'].map(said), [status, status]);
  assert.equal(['-v', 'version'].map(said), [version, version]);
  assert.ok(JSON.parse(said('--json --version')).node);
});

const isRoot = process.geteuid?.() === 0;

test(
  'a user without a home and a name, as in a container, is served',
  inFolder(folder => {
    if (!isRoot) return console.log('# skipped 1: only root can mount');
    const script = 'mount --bind "$0" /etc && unset HOME SHELL && exec "$@"';
    const { stderr, status } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', script, folder, ...PROGRAM, 'status', 'nobody'],
      {
        encoding: 'utf8',
        timeout: TIMEOUT_MS,
      },
    );
    assert.match(stderr, /^error NOT_RUNNING: \S/m);
    assert.is(status, 4);
  }),
);

test(
  'without rights nothing is made, and it is told what is missing',
  inFolder(folder => {
    if (!isRoot) return console.log('# skipped 1: only root can become nobody');
    const result = vpnr(
      ['init', 'relay', '--address', '10.20.0.100', '--network', '10.30.0.0/16', '--dir', folder],
      {
        uid: NOBODY,
        env: { HOME: '/' },
      },
    );
    assert.match(result.stderr, /^error NOT_ROOT: nothing was written/);
    assert.is(result.status, 4);
    assert.equal(readdirSync(folder), []);
  }),
);

/** What is typed, each line when something is asked, until a good answer is there. */
const TYPED = ['baker', 'relay', 'nonsense', '10.20.0.100', '10.30.0.0', '10.30.0.0/16', ''];

test(
  'on a terminal vpnr init asks, and asks again for what is wrong',
  inFolder(async folder => {
    if (findProgram('script') === undefined) return console.log('# skipped 1: script is not installed');
    const command = [...PROGRAM, 'init', '--dir', folder].map(word => `'${word}'`).join(' ');
    const typing = spawn('script', ['-qec', command, '/dev/null'], { timeout: TIMEOUT_MS });
    const answers = [...TYPED];
    let shown = '';
    typing.stdout.on('data', bytes => {
      shown += bytes;
      if (stripVTControlCharacters(shown).endsWith(': ')) typing.stdin.write(`${answers.shift() ?? ''}\n`);
    });
    const status = await new Promise(resolve => typing.once('close', resolve));
    assert.is(status, 0, shown);
    assert.equal(answers, [], shown);
    assert.match(shown, /baker: expected one of gateway, relay, client/);
    assert.match(shown, /nonsense: expected an IPv4 address/);
    assert.match(shown, /10\.30\.0\.0: expected a network/);
    assert.ok(readdirSync(folder).includes('client1.relay.invitation'), shown);
  }),
);

test(
  'whoever may not see what is running is told so',
  inFolder(folder => {
    if (!isRoot) return console.log('# skipped 1: only root can become nobody');
    const run = join(folder, 'run');
    mkdirSync(run, { mode: 0o700 });
    const file = join(folder, 'client.yaml');
    writeFileSync(file, CLIENT, { mode: 0o600 });
    chmodSync(folder, 0o755);
    const env = { HOME: '/', VPNR_RUNTIME_DIR: run };
    for (const args of [
      'status',
      'logs',
      'switch tokyo',
      'drain',
      'disconnect',
      'exec -- true',
      `check -c ${file}`,
    ]) {
      const { stderr, status } = vpnr(args.split(' '), { uid: NOBODY, env });
      assert.match(stderr, /^error NOT_ROOT: [^\n]*\n {2}run it with sudo\n$/, args);
      assert.is(status, 4, args);
    }
  }),
);

/** Mounts a disk with so many free pages, runs the command in it and says what is left there. */
const FULL_DISK = `
  mount -t tmpfs -o size="$((4 + 4 * $1))k" none "$2" && cd "$2" && shift 2 && echo > filler
  "$@"; status=$?
  ls -A -I filler >&2; exit $status`;
const CLIENT = `
name: work
identity: client1
gateways: [{ name: tokyo, address: 198.51.100.10, identity: tokyo, auth: { psk: { env: SECRET } } }]
`;
const SWANCTL = `
connections { tokyo { version = 2, remote_addrs = 198.51.100.10, vips = 0.0.0.0
  local { auth = psk, id = client1 }
  remote { auth = psk, id = tokyo }
  children { net { remote_ts = 10.20.0.0/16 } } } }
secrets { ike-1 { secret = a-secret-that-is-long-enough } }
`;

const SERVERS: Record<string, string> = {
  gateway: `
listen: 127.0.0.1:4500
identity: tokyo
pool: 10.61.0.0/24
networks: [10.20.0.0/16]
clients: [{ identity: client1, psk: { env: SECRET } }]
`,
  relay: `
listen: 127.0.0.1:7511
pool: 10.31.0.0/24
certificate: relay.crt
key: relay.key
clients: [{ identity: client1, token: { env: SECRET } }]
state: disk/relay-state
`,
};

/** What writes files, and the pages that there is room for: too few. */
const WRITERS: [args: string, pages: number, environment?: Record<string, string>][] = [
  ['init relay --address 10.20.0.100 --network 10.30.0.0/16', 2],
  ['init gateway --address 198.51.100.10 --identity tokyo --network 10.20.0.0/16', 2],
  ['init client --from FOLDER/swanctl.conf', 1],
  ['service install -c FOLDER/client.yaml --directory DISK', 0],
  ['bench crypto --quick --suite chacha20poly1305 --report report.html', 1],
  ['demo --report report.html', 1],
  ['demo --fault kill', 0, { TMPDIR: '.' }],
  ['connect -c FOLDER/client.yaml', 0, { VPNR_RUNTIME_DIR: '.' }],
  ['gateway -c FOLDER/gateway.yaml', 0, { VPNR_RUNTIME_DIR: '.' }],
  ['relay -c FOLDER/relay.yaml', 0],
];

for (const [args, pages, environment] of WRITERS) {
  test(
    `a disk that is full: ${args} leaves nothing behind`,
    inFolder(folder => {
      if (!isRoot) return console.log('# skipped 1: only root can mount');
      writeFileSync(join(folder, 'client.yaml'), CLIENT);
      writeFileSync(join(folder, 'swanctl.conf'), SWANCTL.replaceAll(', ', '\n'), { mode: 0o600 });
      for (const [name, text] of Object.entries(SERVERS)) writeFileSync(join(folder, `${name}.yaml`), text);
      const { certificate, key } = makeCertificate('127.0.0.1', 10);
      writeFileSync(join(folder, 'relay.crt'), certificate);
      writeFileSync(join(folder, 'relay.key'), key, { mode: 0o600 });
      const disk = join(folder, 'disk');
      mkdirSync(disk);
      const words = args
        .split(' ')
        .map(word => word.replace('FOLDER', folder).replace('DISK', join(disk, 'units')));
      const { stderr, status } = spawnSync(
        'unshare',
        ['-mn', 'sh', '-c', FULL_DISK, 'sh', `${pages}`, disk, ...PROGRAM, ...words],
        {
          encoding: 'utf8',
          timeout: TIMEOUT_MS,
          env: {
            ...process.env,
            TERM: 'dumb',
            VPNR_RUNTIME_DIR: join(folder, 'run'),
            SECRET: 'a-secret-that-is-long-enough',
            ...environment,
          },
        },
      );
      assert.is(status, 4, stderr);
      // One line, its remedy, and in the list behind no file; before it, a benchmark's progress.
      assert.match(
        stderr,
        /^error SYSTEM_CALL: .*ENOSPC.*\n {2}make (.* )?room .*\n(units\n|relay-state\n)?$/m,
      );
    }),
  );
}

/** As above; the filler, grown beforehand, leaves that many pages beside the files that are there. */
const FORCED = `
  mount -t tmpfs -o size=200k none "$1" && cd "$1" && shift
  "$@" > made && sums=$(sha256sum relay.* client*)
  dd if=/dev/zero of=filler bs=4k count=$(($(stat -f -c %a .) - 3)) 2> made
  "$@" --force; status=$?
  [ "$sums" = "$(sha256sum relay.* client*)" ] && ls -A >&2; exit $status`;

test(
  'a disk that is full: init --force leaves what was there as it was',
  inFolder(folder => {
    if (!isRoot) return console.log('# skipped 1: only root can mount');
    const words = WRITERS[0]?.[0].split(' ') ?? [];
    const { stderr, status } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', FORCED, 'sh', folder, ...PROGRAM, ...words],
      { encoding: 'utf8', timeout: TIMEOUT_MS, env: { ...process.env, TERM: 'dumb' } },
    );
    assert.is(status, 4, stderr);
    const [error, , ...files] = stderr.trimEnd().split('\n');
    assert.match(error ?? '', /^error SYSTEM_CALL: nothing was written: .*ENOSPC/);
    const made = ['client1.relay.invitation', 'client1.token', 'relay.crt', 'relay.key', 'relay.yaml'];
    assert.equal(files.sort(), [...made, 'filler', 'made'].sort());
  }),
);

test('output that goes to a full disk is told of, once', () => {
  for (const args of [
    'status',
    'check -c /nothing',
    '--help',
    '--version',
    'bench crypto --check --suite aes128gcm16',
  ]) {
    const command = [...PROGRAM, ...args.split(' '), '--json'].filter(
      word => word !== '--json' || !args.startsWith('--'),
    );
    const { stderr, status } = spawnSync('sh', ['-c', 'exec "$@" > /dev/full', 'sh', ...command], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
    });
    assert.is(status, 4, `${args}: ${stderr}`);
    assert.is(
      stderr.match(/^error SYSTEM_CALL: standard output cannot be written: ENOSPC/gm)?.length,
      1,
      stderr,
    );
    assert.not.match(stderr, /\n\s+at /);
  }
});

test(
  'a socket that nobody serves is taken over; where somebody does, nobody else may',
  inFolder(folder => {
    if (!isRoot) return console.log('# skipped 1: only root can have a network of its own');
    const file = join(folder, 'gateway.yaml');
    writeFileSync(file, SERVERS.gateway ?? '');
    const socket = join(folder, 'gateway.sock');
    const leave = `require('node:net').createServer().listen('${socket}', () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', leave]);
    assert.ok(existsSync(socket));
    const env = { VPNR_RUNTIME_DIR: folder, SECRET: 'a-secret-that-is-long-enough' };
    for (const args of [
      ['status', 'gateway'],
      ['drain', 'gateway'],
      ['logs', 'gateway'],
    ]) {
      const { stderr, status } = vpnr(args, { env });
      assert.match(stderr, /^error NOT_RUNNING: \S/, args.join(' '));
      assert.is(status, 4);
    }
    const script = `
      ip link set lo up
      "$@" gateway -c ${file} > ${folder}/first.log 2>&1 &
      until grep -q listens ${folder}/first.log || ! kill -0 $!; do sleep 0.05; done
      "$@" gateway -c ${file}; echo "second: $?"
      "$@" disconnect gateway; echo "disconnect: $?"
      wait $!; echo "first: $?"`;
    const { stdout, stderr } = spawnSync('unshare', ['-n', 'sh', '-c', script, 'sh', ...PROGRAM], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      env: { ...process.env, ...env },
    });
    assert.match(stderr, /^error ALREADY_RUNNING: \S/m, stdout);
    assert.match(stdout, /^second: 4$/m);
    assert.match(stdout, /^disconnect: 0$/m, stderr);
    assert.match(stdout, /^first: 0$/m);
    assert.not.ok(existsSync(socket));
  }),
);

test('help reads in 80 columns, and its examples are understood', () => {
  for (const [name, { summary, examples = [] }] of commands()) {
    assert.ok(summary.length <= 80, `${name}: ${summary}`);
    const calls = examples.map(example => example.replaceAll('<%= config.bin %>', 'vpnr'));
    assert.ok(calls.length > 0, name);
    for (const example of calls) {
      for (const line of example.split('\n')) assert.ok(line.length <= 78, line);
      for (const call of callsIn(example)) assert.is(complaint(call), undefined, example);
    }
  }
});

test.run();
