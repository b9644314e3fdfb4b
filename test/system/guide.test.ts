// What the documentation says to do is done as it is written, and every error is explained.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { ERROR_CODES } from '../../src/errors.js';
import { type Lab, type LabPlan, until } from '../../src/lab/index.js';
import { PROGRAM, systemTests, withLab } from './support.js';

const test = systemTests();
const GUIDE = readFileSync('docs/operating.md', 'utf8');
const README = readFileSync('README.md', 'utf8');
const STARTED_MS = 20_000;

const MACHINES: LabPlan = {
  networks: ['outside', 'elsewhere', 'inside', 'servers'],
  hosts: {
    client: {
      links: {
        outside: { addresses: ['198.51.100.2/24'] },
        elsewhere: { addresses: ['203.0.113.2/24'] },
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
    relay: {
      links: { inside: { addresses: ['10.20.0.100/16'] }, servers: { addresses: ['10.30.0.1/24'] } },
      privateRun: true,
    },
    server: { links: { servers: { addresses: ['10.30.0.10/24'] } }, routes: ['default via 10.30.0.1'] },
  },
};

type Step =
  | { kind: 'file'; name: string; host: string; text: string }
  | { kind: 'copy'; name: string; from: string; target: string; host: string }
  | { kind: 'commands'; host: string; lines: string[] };

/** What the guide says to do, in order: blocks of code below a comment that tells where, and files to be carried over. */
function stepsOf(guide: string): Step[] {
  const pattern =
    /<!-- (?:copy (\S+) of (\S+) to (\S+) on (\S+)|(?:file (\S+) )?on (\S+)) -->(?:\n```\w+\n(.*?)```)?/gs;
  return [...guide.matchAll(pattern)].map(([, name, from, target, to, file, host, text]): Step => {
    if (name !== undefined)
      return { kind: 'copy', name, from: from ?? '', target: target ?? '', host: to ?? '' };
    assert.ok(host !== undefined && text !== undefined, 'a comment without a block of code');
    if (file !== undefined) return { kind: 'file', name: file, host, text };
    return { kind: 'commands', host, lines: text.trim().split('\n') };
  });
}

const STAYS = /^vpnr (connect|relay|gateway) /;

/** Commands up to the one that stays in the foreground, if there is one; that must be the last. */
async function carryOut(lab: Lab, { host: name, lines }: Extract<Step, { kind: 'commands' }>): Promise<void> {
  const host = lab.host(name);
  const last = lines.at(-1) ?? '';
  const enter = `cd '${host.folder}' && PATH='${lab.host('client').folder}/bin':$PATH`;
  const ends = lines.filter(line => !STAYS.test(line));
  assert.ok(ends.length === lines.length || ends.length === lines.length - 1);
  if (ends.length > 0) await host.run(['sh', '-ec', [enter, ...ends].join('\n')]);
  const role = STAYS.exec(last)?.[1];
  if (role === undefined) return;
  host.spawn(['sh', '-c', `${enter} && exec ${last}`], { name: role });
  await until(`${name}: ${last}`, STARTED_MS, async () => {
    const { status, stdout } = await host.try([...PROGRAM, 'status', '--json']);
    if (status !== 0) return undefined;
    return role !== 'connect' || stdout.includes('"connected"') || undefined;
  });
}

/** Does all that a text says. */
function follow(text: string, reached?: string): Promise<void> {
  return withLab(MACHINES, async lab => {
    const bin = join(lab.host('client').folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'vpnr'), `#!/bin/sh\nexec ${PROGRAM.map(word => `'${word}'`).join(' ')} "$@"\n`);
    chmodSync(join(bin, 'vpnr'), 0o755);
    const steps = stepsOf(text);
    assert.ok(steps.length > 4);
    for (const step of steps) {
      const { folder } = lab.host(step.host);
      if (step.kind === 'commands') await carryOut(lab, step);
      else if (step.kind === 'file') writeFileSync(join(folder, step.name), step.text);
      else copyFileSync(join(lab.host(step.from).folder, step.name), join(folder, step.target));
    }
    if (reached !== undefined) await lab.host('client').run(['ping', '-c', '1', '-W', '5', reached]);
  });
}

test("the example of the operator's guide works as it is written", () => follow(GUIDE));

test('three machines are set up by `vpnr init` as the README says', () => follow(README, '10.30.0.10'));

test("the operator's guide explains every error once", async () => {
  const explained = [...GUIDE.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);
  assert.equal([...explained].sort(), [...ERROR_CODES].sort());
});

test.run();
