/** What is given to others, made and used as they do: executables, archives, packages. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import type { DemoResult } from '../../src/demo/result.js';
import { type CommandOptions, findProgram, runCommand } from '../../src/lab/command.js';
import { labObstacle, until } from '../../src/lab/index.js';
import { machineObstacle, PROJECT } from './machine.js';
import { configure, property, reachesServer, verifyUnit, withMachines } from './machines.js';
import { figures, systemTests } from './support.js';

const test = systemTests({ obstacle: undefined });
const BUILD_MS = 110_000;
const RUN_MS = 100_000;
const ROUNDS = 5;
/** The programs that a laboratory without faults of the network is made with. */
const LABORATORY = ['ip', 'mount', 'sh'];
/** Those that are offered first; the emulator takes half a minute for all. */
const EMULATED_SUITES = ['--suite', 'chacha20poly1305', '--suite', 'aes256gcm16'];

/** What runs programs of arm64, and where Debian's packages put the C library for them. */
const EMULATOR = 'qemu-aarch64-static';
const ARM64_LIBRARIES = '/usr/aarch64-linux-gnu';

/** Prints what bash would offer for the last of the words, as it prints variables. */
const COMPLETE = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vpnr; declare -p COMPREPLY';
const only = (word: string) => `declare -a COMPREPLY=([0]="${word}")\n`;

interface BillOfMaterials {
  components: { type: string; group?: string; name: string; version: string }[];
}

/** Beside other things that are built, not where users have theirs; below the project, which virtual machines can see. */
const OUT = join('.build', 'portable');

/** Makes everything of `arch`, and nothing else, in OUT; returns the path of the executable. */
function build(arch: string): string {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['scripts/portable.mjs', '--out', OUT, arch],
    {
      encoding: 'utf8',
      timeout: BUILD_MS,
    },
  );
  assert.is(status, 0, stdout + stderr);
  return join(process.cwd(), OUT, `vpnr-linux-${arch}`);
}

let executable: string | undefined;
/** As `build` of this machine's own architecture, once for all tests. */
function builtBefore(): string {
  executable ??= build('x64');
  return executable;
}

async function mustRun(command: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await runCommand(command, options);
  assert.is(status, 0, stdout + stderr);
  return stdout;
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-packages-'));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The shared libraries of a program, with the one that loads them. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await runCommand(['ldd', program]);
  return [...stdout.matchAll(/(?:=> |^\s*)(\/\S+) \(/gm)].map(([, path]) => path as string);
}

/** A root file system of these programs and the libraries that they load, and nothing more. */
async function withBareRoot(
  programs: readonly string[],
  body: (run: (...command: string[]) => Promise<string>) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'vpnr-root-'));
  // The mounts last as long as the commands run in it.
  const enter = `
    mount --bind "$0" "$0"
    for folder in dev proc sys; do mount --rbind "/$folder" "$0/$folder"; done
    mount -t tmpfs tmpfs "$0/run" && exec chroot "$0" "$@"`;
  try {
    for (const folder of ['dev', 'proc', 'sys', 'run', 'tmp', 'etc']) mkdirSync(join(root, folder));
    for (const program of programs)
      for (const file of [program, ...(await librariesOf(program))]) {
        mkdirSync(join(root, dirname(file)), { recursive: true });
        cpSync(file, join(root, file), { dereference: true });
      }
    await body(async (...command) => {
      const { status, stdout, stderr } = await runCommand(
        ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', enter, root, ...command],
        { timeoutMs: RUN_MS, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TMPDIR: '/tmp' } },
      );
      assert.is(status, 0, stdout + stderr);
      return stdout;
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** What the executable of `arch` says of itself. */
function checkVersion(text: string, arch: string): void {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const { commit, core, ...rest } = JSON.parse(text) as Record<string, string> & { core: { sha256: string } };
  assert.is(rest.version, version);
  assert.is(rest.platform, `linux-${arch}`);
  assert.is(rest.portable, true);
  assert.match(commit ?? '', /^[0-9a-f]{40}$/);
  assert.match(core.sha256, /^[0-9a-f]{64}$/);
}

/** The least that one of several runs took, in milliseconds; each must end well. */
async function fastest(run: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    await run();
    times.push(performance.now() - started);
  }
  return Math.min(...times);
}

test(
  'x64: says what it is, computes, and keeps a download alive, where there is no Node',
  async () => {
    const program = builtBefore();
    const tools = LABORATORY.map(name => findProgram(name) as string);
    await withBareRoot([program, ...tools], async run => {
      checkVersion(await run(program, '--version', '--json'), 'x64');
      const [whole, entering] = [
        await fastest(() => run(program, '--version')),
        await fastest(() => run('sh', '-c', ':')),
      ];
      figures(`vpnr --version, x64, without Node: ${(whole - entering).toFixed(0)} ms`);
      assert.match(await run(program, '--help'), /connect/);
      assert.match(await run(program, 'bench', 'crypto', '--check'), /^equal {2}chacha20poly1305/m);
      const demo = JSON.parse(await run(program, 'demo', '--json')) as DemoResult;
      assert.equal({ survived: demo.survived, digestOk: demo.digestOk }, { survived: true, digestOk: true });
    });
  },
  process.arch === 'x64' ? labObstacle(['unshare', 'chroot', 'ldd']) : 'not an x64 machine',
);

test(
  'x64: the archive and the Debian package hold the executable and its help; another build makes the same',
  async () => {
    builtBefore();
    const sums = readFileSync(join(OUT, 'SHA256SUMS'), 'utf8');
    build('x64');
    assert.is(readFileSync(join(OUT, 'SHA256SUMS'), 'utf8'), sums);
    await mustRun(['sha256sum', '--check', '--strict', 'SHA256SUMS'], { cwd: OUT });
    await withFolder(async folder => {
      const portable = (end: string) =>
        join(OUT, readdirSync(OUT).find(name => name.endsWith(end)) as string);
      await mustRun(['tar', '-xzf', portable('.tar.gz'), '--strip-components=1', '-C', folder]);
      const whole = readFileSync(join(OUT, 'vpnr-linux-x64'));
      assert.ok(readFileSync(join(folder, 'bin/vpnr')).equals(whole));
      const bill = JSON.parse(readFileSync(portable('.cdx.json'), 'utf8')) as BillOfMaterials;
      const names = bill.components.map(({ group, name }) => `${group ?? ''}/${name}`);
      for (const name of ['/koffi', '@koromix/koffi-linux-x64', '/node'])
        assert.ok(names.includes(name), name);
      const notices = readFileSync(join(folder, 'share/doc/vpnr/NOTICES'), 'utf8');
      for (const { group, name, version } of bill.components.filter(({ type }) => type === 'library'))
        assert.ok(notices.includes(`${group === undefined ? '' : `${group}/`}${name} ${version} (`), name);
      if (findProgram('dpkg-deb') !== undefined) {
        await mustRun(['dpkg-deb', '-x', portable('.deb'), join(folder, 'deb')]);
        assert.ok(readFileSync(join(folder, 'deb/usr/bin/vpnr')).equals(whole));
        assert.match(await mustRun(['dpkg-deb', '--info', portable('.deb')]), /Architecture: amd64/);
        assert.match(readFileSync(join(folder, 'deb/usr/share/doc/vpnr/copyright'), 'utf8'), 'Apache-2.0');
      }
      const completion = join(folder, 'share/bash-completion/completions/vpnr');
      const complete = (...words: string[]) =>
        mustRun(['bash', '-c', COMPLETE, completion, 'vpnr', ...words]);
      assert.is(await complete('disc'), only('disconnect'));
      assert.is(await complete('bench', 'cr'), only('crypto'));
      assert.is(await complete('demo', '--fault', 'b'), only('blackhole'));
      assert.is(await complete('connect', '--per'), only('--persist'));
    });
  },
  process.arch === 'x64' ? undefined : 'not an x64 machine',
);

test(
  "x64: the Debian package's units run connection, relay and gateway under systemd, and go with it",
  () => {
    builtBefore();
    const [name = ''] = readdirSync(OUT).filter(file => file.endsWith('.deb'));
    return withMachines(
      {},
      city => [city.client, city.gateways.tokyo.host, city.relay],
      async (city, machines) => {
        const [client, tokyo, relay] = machines;
        assert.ok(client && tokyo && relay);
        const before = await city.client.network();
        await city.gateways.tokyo.stop();
        const install = ['dpkg', '--install', '--no-triggers', `${PROJECT}/${OUT}/${name}`];
        await Promise.all(machines.map(machine => machine.run(install)));
        const gateway = readFileSync(join(tokyo.host.folder, 'gateway.yaml'), 'utf8');
        configure(tokyo, 'tokyo', parse(gateway));
        configure(relay, 'servers', city.relayConfiguration());
        configure(client, 'work', city.clientConfiguration());
        const units = [
          [tokyo, 'vpnr-gateway@tokyo'],
          [relay, 'vpnr-relay@servers'],
          [client, 'vpnr@work'],
        ] as const;
        for (const [machine, unit] of units) {
          await verifyUnit(machine, unit);
          await machine.run(['systemctl', 'enable', '--now', unit]);
          const [running] = JSON.parse(`[${await machine.run(['vpnr', 'status', '--json'])}]`);
          assert.is(String(running.pid), await property(machine, unit, 'MainPID'));
        }
        for (const [machine, unit] of units.slice(0, 2)) await machine.run(['systemctl', 'reload', unit]);
        await reachesServer(city);
        await client.run(['systemctl', 'kill', '--signal=KILL', 'vpnr@work']);
        await until('systemd starts it again', RUN_MS, async () => {
          const restarts = await property(client, 'vpnr@work', 'NRestarts');
          const state = await property(client, 'vpnr@work', 'ActiveState');
          return (restarts === '1' && state === 'active') || undefined;
        });
        await reachesServer(city);
        for (const [machine, unit] of units) {
          const pid = await property(machine, unit, 'MainPID');
          await machine.run(['systemctl', 'disable', unit]);
          await machine.run(['dpkg', '--remove', '--no-triggers', 'vpnr']);
          assert.is((await machine.try(['test', '-e', `/proc/${pid}`])).status, 1, 'it is stopped before');
          assert.is((await machine.try(['systemctl', 'cat', unit])).status, 1);
        }
        assert.equal(await city.client.network(), before);
      },
    );
  },
  process.arch !== 'x64'
    ? 'not an x64 machine'
    : (labObstacle(['openssl', 'ping', 'dpkg']) ?? machineObstacle()),
);

test('the npm package works where it is installed', () =>
  withFolder(async folder => {
    await mustRun(['npm', 'pack', '--pack-destination', folder], { timeoutMs: RUN_MS });
    const [archive] = readdirSync(folder).map(name => join(folder, name));
    const quiet = ['--prefer-offline', '--no-audit', '--no-fund'];
    await mustRun(['npm', 'install', '--global', '--prefix', folder, ...quiet, archive as string], {
      timeoutMs: RUN_MS,
      cwd: folder,
    });
    const vpnr = join(folder, 'bin', 'vpnr');
    assert.match(await mustRun([vpnr, '--version'], { cwd: folder }), /^vpnr \d/);
    assert.match(await mustRun([vpnr, 'bench', '--help'], { cwd: folder }), /bench crypto/);
    assert.match(await mustRun([vpnr, 'bench', 'crypto', '--check', '--suite', 'aes128gcm16']), /^equal/);
  }));

test(
  'arm64: says what it is, and computes',
  async () => {
    const program = [findProgram(EMULATOR) as string, build('arm64')];
    const run = async (...args: string[]) => {
      const options = { timeoutMs: RUN_MS, env: { QEMU_LD_PREFIX: ARM64_LIBRARIES } };
      const { status, stdout, stderr } = await runCommand([...program, ...args], options);
      assert.is(status, 0, stdout + stderr);
      return stdout;
    };
    checkVersion(await run('--version', '--json'), 'arm64');
    assert.match(await run('bench', 'crypto', '--check', ...EMULATED_SUITES), /^equal {2}chacha20poly1305/m);
  },
  findProgram(EMULATOR) === undefined || !existsSync(ARM64_LIBRARIES)
    ? 'qemu-user-static or the C library of arm64 is not installed'
    : undefined,
);

test.run();
