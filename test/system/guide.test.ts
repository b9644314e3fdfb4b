// What the documentation says to do is done as it is written, and every error is explained.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
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
import * as assert from 'uvu/assert';
import { loadClientConfig, loadGatewayConfig, loadRelayConfig, roleOf } from '../../src/config/load.js';
import { ERROR_CODES } from '../../src/errors.js';
import { type Host, type Lab, type LabPlan, labObstacle, StrongSwan, until } from '../../src/lab/index.js';
import { callsIn, complaint } from './command-lines.js';
import { inlineCalls, missingLine, type Step, stepsOf } from './documents.js';
import { MACHINE_PROGRAM, Machine, machineObstacle } from './machine.js';
import { PROGRAM, systemTests, withLab } from './support.js';

const test = systemTests();
const GUIDE = readFileSync('docs/operating.md', 'utf8');
const README = readFileSync('README.md', 'utf8');
const REFERENCE = readFileSync('docs/reference.md', 'utf8');
const STARTED_MS = 20_000;

const MACHINES: LabPlan = {
  networks: ['outside', 'elsewhere', 'provider', 'inside', 'servers'],
  hosts: {
    client: {
      links: {
        outside: { addresses: ['198.51.100.2/24'] },
        elsewhere: { addresses: ['203.0.113.2/24'] },
        provider: { addresses: ['192.0.2.2/24'] },
      },
      privateRun: true,
    },
    tokyo: {
      links: {
        outside: { addresses: ['198.51.100.10/24'] },
        inside: { addresses: ['10.20.0.1/16'] },
      },
      privateRun: true,
    },
    osaka: {
      links: {
        elsewhere: { addresses: ['203.0.113.10/24'] },
        inside: { addresses: ['10.20.0.2/16'] },
      },
      privateRun: true,
    },
    sapporo: {
      links: { provider: { addresses: ['192.0.2.20/24'] }, inside: { addresses: ['10.20.0.4/16'] } },
      privateRun: true,
    },
    // Its public address is the provider's to translate.
    fukuoka: {
      links: { inside: { addresses: ['10.20.0.3/16'] } },
      routes: ['default via 10.20.0.254'],
      privateRun: true,
    },
    provider: {
      links: { provider: { addresses: ['192.0.2.10/24'] }, inside: { addresses: ['10.20.0.254/16'] } },
      sysctls: { 'net.ipv4.ip_forward': '1' },
    },
    relay: {
      links: { inside: { addresses: ['10.20.0.100/16'] }, servers: { addresses: ['10.30.0.1/24'] } },
      privateRun: true,
    },
    server: { links: { servers: { addresses: ['10.30.0.10/24'] } }, routes: ['default via 10.30.0.1'] },
  },
};

/** One address to one, as in front of a provider's machines. */
const TRANSLATION = `add table ip translation
add chain ip translation arriving { type nat hook prerouting priority dstnat; }
add rule ip translation arriving ip daddr 192.0.2.10 dnat to 10.20.0.3`;

const elsewhere = (reason: string) => reason;
const valid = (text: string) => {
  // The fingerprint is left out in the text.
  const file = join(mkdtempSync(join(tmpdir(), 'vpnr-guide-')), 'example.yaml');
  try {
    writeFileSync(file, text.replace('sha256:...', `sha256:${'0'.repeat(64)}`));
    load(file);
  } finally {
    rmSync(join(file, '..'), { recursive: true });
  }
};

/** By its first line, each block without a comment: why it is not run, or what else is done with it. */
const UNMARKED: Record<string, string | ((text: string) => void)> = {
  ' application                                                       server': elsewhere('a picture'),
  '  client ----- Internet ----- gateway tokyo ----- leased line -----+': elsewhere('a picture'),
  'npm run demo': elsewhere('installs npm packages first; demo.test.ts runs what it then runs'),
  'npm run demo -- --fault blackhole         # or kill, link-down, leased-line':
    elsewhere('as `npm run demo`'),
  'vpnr bench failover --modes standby,replay --faults kill,leased-line --runs 3 --report failover.html':
    elsewhere('takes minutes; bench-failover.test.ts and bench-tunnel.test.ts run less of it'),
  'npm run build                    # dist/': elsewhere('what builds and tests the project itself'),
  '# client.yaml                                  # vpnr connect -c client.yaml': valid,
  '# relay.yaml                                   # vpnr relay -c relay.yaml': valid,
  '# gateway.yaml                                 # vpnr gateway -c gateway.yaml': valid,
  'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=relay -keyout relay.key -out relay.crt':
    makesSecrets,
};

function makesSecrets(text: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-guide-'));
  try {
    const { status, stdout, stderr } = spawnSync('sh', ['-ec', text], { cwd: folder, encoding: 'utf8' });
    assert.is(status, 0, stderr);
    assert.match(stdout, /^[0-9a-f]{64} /m);
    assert.match(readFileSync(join(folder, 'client1.token'), 'utf8'), /^[0-9a-f]{64}\n$/);
    for (const name of ['relay.key', 'client1.token'])
      assert.is(statSync(join(folder, name)).mode & 0o777, 0o600, name);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Reads a configuration as the program does that it is for. */
function load(file: string): void {
  const read = { client: loadClientConfig, relay: loadRelayConfig, gateway: loadGatewayConfig };
  read[roleOf(file)](file);
}

const STAYS = /^vpnr (connect|relay|gateway) (?!.*--detach)/;
const WATCHES = /^vpnr .*--(watch|follow)/;

/** Carries out a document's steps, in order, in one laboratory. */
class Reader {
  readonly #lab: Lab;
  readonly #bin: string;
  readonly #strongSwans = new Map<string, StrongSwan>();
  readonly #machines = new Map<string, Machine>();
  readonly #noMachine = machineObstacle();
  /** The section of which the rest is left out. */
  #skipped: string | undefined;
  #said = '';
  /** Repeats the last command. */
  #look: (() => Promise<string>) | undefined;

  constructor(lab: Lab) {
    this.#lab = lab;
    this.#bin = join(lab.host('client').folder, 'bin');
    this.#program(this.#bin, 'vpnr', `exec ${PROGRAM.map(word => `'${word}'`).join(' ')} "$@"`);
  }

  async follow(text: string): Promise<void> {
    try {
      for (const step of stepsOf(text)) await this.#carryOut(step);
    } finally {
      for (const machine of this.#machines.values()) await machine.close();
    }
  }

  async #carryOut(step: Step): Promise<void> {
    if (step.section === this.#skipped) return;
    switch (step.kind) {
      case 'commands':
        if (step.needs === 'systemd' && this.#noMachine !== undefined) {
          console.log(`# the rest of "${step.section}" is left out: ${this.#noMachine}`);
          this.#skipped = step.section;
          return;
        }
        if (step.needs === 'strongSwan') await this.#startStrongSwan(this.#lab.host(step.host));
        if (step.needs === 'systemd') await this.#runOnMachine(this.#lab.host(step.host), step.lines);
        else await this.run(step.host, step.lines);
        return;
      case 'file': {
        const file = join(this.#lab.host(step.host).folder, step.name);
        writeFileSync(file, step.text);
        if (file.endsWith('.yaml')) load(file);
        return;
      }
      case 'copy': {
        const from = join(this.#lab.host(step.from).folder, step.name);
        copyFileSync(from, join(this.#lab.host(step.host).folder, step.target));
        return;
      }
      case 'output': {
        await this.#shown(step.lines);
      }
    }
  }

  /** A standby gateway, say, may come up a moment later than it was looked for: the last command is then repeated. */
  async #shown(lines: readonly string[]): Promise<void> {
    const missing = () => missingLine(lines, this.#said);
    const look = this.#look;
    await until('what the document shows', STARTED_MS, async () => {
      if (missing() === undefined) return true;
      this.#said += (await look?.()) ?? '';
      return missing() === undefined ? true : undefined;
    }).catch(() =>
      assert.unreachable(`the document shows "${missing()}", but this was said:\n${this.#said}`),
    );
  }

  /** Lines that stay in the foreground are given the time to start, or to say something, before the next one. */
  async run(name: string, lines: readonly string[]): Promise<void> {
    const host = this.#lab.host(name);
    this.#said = '';
    let ends: string[] = [];
    const flush = async () => {
      if (ends.length > 0)
        this.#said += await host.run(['sh', '-ec', [this.#enter(host), ...ends].join('\n')]);
      ends = [];
    };
    for (const line of lines) {
      if (!STAYS.test(line) && !WATCHES.test(line)) {
        ends.push(line);
        continue;
      }
      await flush();
      await this.#stay(host, line);
    }
    await flush();
    const last = lines.at(-1) ?? '';
    this.#look = () => host.run(['sh', '-ec', [this.#enter(host), last].join('\n')]);
  }

  async #stay(host: Host, line: string): Promise<void> {
    const [, role] = STAYS.exec(line) ?? [];
    const command = ['sh', '-c', `${this.#enter(host)}\nexec ${line}`];
    const child = host.spawn(command, { name: role ?? 'watch' });
    await until(`${host.name}: ${line}`, STARTED_MS, async () => {
      if (role === undefined) return child.lines.length > 0 || undefined;
      const { status, stdout } = await host.try([...PROGRAM, 'status', '--json']);
      if (status !== 0) return undefined;
      const { state } = JSON.parse(stdout) as { state?: string };
      return role !== 'connect' || state === 'connected' || undefined;
    });
    if (role === undefined) await child.stop('SIGINT');
  }

  /** Into the host's folder, which is also where strongSwan's connections are. */
  #enter({ folder, name }: Host): string {
    const place = '/etc/swanctl/conf.d';
    return [
      'set -e',
      ...(this.#strongSwans.has(name) ? [`mkdir -p ${place}`, `mount --bind '${folder}' ${place}`] : []),
      `cd '${folder}'`,
      `PATH='${folder}/bin:${this.#bin}':$PATH`,
    ].join('\n');
  }

  /** With a systemd of its own, in /etc/vpnr, where the host's files are, and from where they are taken back. */
  async #runOnMachine(host: Host, lines: readonly string[]): Promise<void> {
    let machine = this.#machines.get(host.name);
    if (machine === undefined) {
      machine = await Machine.boot(host);
      this.#machines.set(host.name, machine);
      mkdirSync(machine.path('/etc/vpnr'), { recursive: true, mode: 0o700 });
      this.#program(machine.path('/usr/local/bin'), 'vpnr', `exec ${MACHINE_PROGRAM.join(' ')} "$@"`);
    }
    const place = machine.path('/etc/vpnr');
    copyFiles(host.folder, place);
    this.#look = undefined;
    this.#said = await machine.run(['sh', '-ec', ['cd /etc/vpnr', ...lines].join('\n')]);
    copyFiles(place, host.folder);
  }

  /** As its packages do; `swanctl` then finds it. */
  async #startStrongSwan(host: Host): Promise<void> {
    if (this.#strongSwans.has(host.name)) return;
    const strongSwan = new StrongSwan(host, { swanctl: {} });
    this.#strongSwans.set(host.name, strongSwan);
    await strongSwan.start();
    const socket = join(host.folder, 'strongswan', 'charon.vici');
    this.#program(
      join(host.folder, 'bin'),
      'swanctl',
      `exec /usr/sbin/swanctl "$@" --uri 'unix://${socket}'`,
    );
  }

  #program(folder: string, name: string, line: string): void {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, name), `#!/bin/sh\n${line}\n`);
    chmodSync(join(folder, name), 0o755);
  }
}

function copyFiles(from: string, to: string): void {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isFile()) copyFileSync(join(from, entry.name), join(to, entry.name));
  }
}

/** The README's list of commands for every day. */
const DAILY = 'vpnr check -c client.yaml       # is this machine, with this configuration, able to connect?';

test(
  "the operator's guide works as it is written, and so do the README's commands for every day",
  () =>
    withLab(MACHINES, async lab => {
      await lab.host('provider').run(['nft', TRANSLATION]);
      const reader = new Reader(lab);
      await reader.follow(GUIDE);
      const daily = stepsOf(README).find(step => step.kind === 'unmarked' && step.text.startsWith(DAILY));
      assert.ok(daily?.kind === 'unmarked');
      await reader.run('client', daily.text.split('\n'));
    }),
  labObstacle(['curl']),
);

test('three machines are set up by `vpnr init` as the README says', () =>
  withLab(MACHINES, async lab => {
    await new Reader(lab).follow(README);
    await lab.host('client').run(['ping', '-c', '1', '-W', '5', '10.30.0.10']);
  }));

test('every other block of code is checked otherwise, or it is known why not', async () => {
  const blocks = [GUIDE, README, REFERENCE].flatMap(stepsOf).flatMap(step => {
    return step.kind === 'unmarked' && !step.text.startsWith(DAILY) ? [step.text] : [];
  });
  const firstLine = (text: string) => text.split('\n')[0] ?? '';
  assert.equal(blocks.map(firstLine).sort(), Object.keys(UNMARKED).sort());
  for (const text of blocks) {
    const check = UNMARKED[firstLine(text)];
    if (typeof check === 'function') check(text);
  }
});

test('every call of vpnr in the documents is one that it understands', async () => {
  for (const document of [GUIDE, README, REFERENCE]) {
    const blocks = stepsOf(document).flatMap(step => {
      if (step.kind === 'commands') return [step.lines.join('\n')];
      return step.kind === 'unmarked' && step.language === 'sh' ? [step.text] : [];
    });
    const calls = [...blocks, ...inlineCalls(document)].flatMap(callsIn);
    assert.ok(calls.length > 10);
    for (const call of calls) assert.is(complaint(call), undefined, `vpnr ${call.join(' ')}`);
  }
});

test("the operator's guide explains every error once", async () => {
  const explained = [...GUIDE.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);
  assert.equal([...explained].sort(), [...ERROR_CODES].sort());
});

test.run();
