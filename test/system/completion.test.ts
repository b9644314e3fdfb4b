/** The completions, as the shells that they are for take them: what is offered, and what Tab makes of a line on a terminal. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findProgram } from '../../src/lab/command.js';
import { until } from '../../src/lab/index.js';
import { commands } from './command-lines.js';

const TIMEOUT_MS = 30_000;

/** Writes the completions of all shells, as the packages have them, to the folder in $1. */
const WRITE = `
import { writeFileSync } from 'node:fs';
import { helpFiles } from './scripts/help/all.mjs';
import { commandManifest } from './scripts/help/commands.mjs';
const { bash, zsh, fish } = helpFiles(await commandManifest(), new Date(0));
for (const [name, text] of Object.entries({ bash, _vpnr: zsh, fish })) writeFileSync(process.argv[1] + '/' + name, text);`;

function run(program: string, args: readonly string[], options: { input?: string; home?: string } = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    input: options.input ?? '',
    env: { PATH: process.env.PATH, ...(options.home !== undefined && { HOME: options.home }) },
  });
  assert.is(status, 0, stdout + stderr);
  return stdout;
}

async function withCompletions(body: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-completion-'));
  try {
    run(process.execPath, ['--input-type=module', '-e', WRITE, folder]);
    mkdirSync(join(folder, 'etc'));
    writeFileSync(join(folder, 'etc', 'work.yaml'), '');
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `shell`: runs with its completion on a terminal, appends the line to the file `said` on Ctrl-G, and begins another. */
async function onTerminal(folder: string, shell: string, lines: [typed: string, made: string][]) {
  const said = join(folder, 'said');
  const read = () => (existsSync(said) ? readFileSync(said, 'utf8').split('\n').slice(0, -1) : []);
  const child = spawn('script', ['-qec', shell, '/dev/null'], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, ZDOTDIR: folder, TERM: 'dumb' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', chunk => (shown += chunk));
  try {
    await until('there is a prompt', TIMEOUT_MS, () => shown.includes('READY> ') || undefined);
    for (const [index, [typed]] of lines.entries()) {
      child.stdin.write(`${typed}\t\x07`);
      await until(`${typed} is completed`, TIMEOUT_MS, () => read().length > index || undefined);
    }
    child.stdin.write('exit\r');
    await exited;
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
  assert.equal(
    read().map(line => line.trimEnd()),
    lines.map(([, made]) => made),
  );
}

/** What Tab makes of the beginning of a line, where there is one way only to go on. */
const TYPED: [typed: string, made: string][] = [
  ['vpnr disc', 'vpnr disconnect'],
  ['vpnr bench cr', 'vpnr bench crypto'],
  ['vpnr init --fo', 'vpnr init --force'],
  ['vpnr init re', 'vpnr init relay'],
  ['vpnr bench failover --no-f', 'vpnr bench failover --no-figures'],
  ['vpnr demo --fault bl', 'vpnr demo --fault blackhole'],
  ['vpnr connect --per', 'vpnr connect --persist'],
  ['vpnr connect -c etc/w', 'vpnr connect -c etc/work.yaml'],
  ['vpnr connect --config=etc/w', 'vpnr connect --config=etc/work.yaml'],
  ['vpnr service install --role ga', 'vpnr service install --role gateway'],
];

/** The flags of a command that are shown. */
const flagsOf = (name: string) =>
  Object.entries(commands().get(name)?.flags ?? {})
    .filter(([, { hidden }]) => hidden !== true)
    .map(([flag]) => `--${flag}`);
const firstWords = () => [...new Set([...commands().keys()].map(name => name.split(' ')[0] ?? ''))];
const below = (topic: string) =>
  [...commands().keys()].filter(name => name.startsWith(`${topic} `)).map(name => name.split(' ')[1] ?? '');

/** Fails unless a shell that offers `offered(line)` knows all commands and flags, and no others. */
function checkOffers(offered: (line: string) => string[]): void {
  const has = (line: string, wanted: readonly string[]) => {
    const words = offered(line);
    for (const word of wanted) assert.ok(words.includes(word), `${line}: no ${word} in ${words}`);
  };
  has('vpnr ', firstWords());
  assert.equal(offered('vpnr con'), ['connect']);
  has('vpnr bench ', below('bench'));
  for (const name of commands().keys()) {
    has(`vpnr ${name} --`, flagsOf(name));
    assert.not.ok(offered(`vpnr ${name} --`).includes('--background'), name);
  }
  assert.equal(offered('vpnr service install --role '), ['connect', 'gateway', 'relay']);
}

const skipped = (...programs: string[]) => {
  const missing = programs.filter(program => findProgram(program) === undefined);
  if (missing.length > 0) console.log(`# skipped 1: not installed: ${missing.join(', ')}`);
  return missing.length > 0;
};

/** A line of standard input each: the words of COMPREPLY. */
const REPLIES = `
source "$0"
while IFS= read -r line; do
  read -ra COMP_WORDS <<< "$line"
  [[ $line == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _vpnr
  echo "\${COMPREPLY[*]}"
done`;

test('bash offers the commands, flags and values that there are', () =>
  withCompletions(folder => {
    if (skipped('bash')) return;
    run('bash', ['-n', join(folder, 'bash')]);
    checkOffers(line => {
      const words = run('bash', ['--norc', '--noprofile', '-c', REPLIES, join(folder, 'bash')], {
        input: `${line}\n`,
      });
      return words.trim().split(' ').sort();
    });
  }));

test('bash completes a line on a terminal', () =>
  withCompletions(async folder => {
    if (skipped('bash', 'script')) return;
    writeFileSync(
      join(folder, 'rc'),
      `source '${folder}/bash'
      said() { printf '%s\\n' "$READLINE_LINE" >> '${folder}/said'; READLINE_LINE=''; READLINE_POINT=0; }
      bind -x '"\\C-g": said'
      PS1='READY> '`,
    );
    await onTerminal(folder, 'bash --noprofile --rcfile rc -i', TYPED);
  }));

test('zsh completes a line on a terminal', () =>
  withCompletions(async folder => {
    if (skipped('zsh', 'script')) return;
    run('zsh', ['-n', join(folder, '_vpnr')]);
    writeFileSync(
      join(folder, '.zshrc'),
      `fpath=('${folder}' $fpath)
      autoload -Uz compinit && compinit -u -d '${folder}/dump'
      said() { print -r -- "$BUFFER" >> '${folder}/said'; BUFFER='' }
      zle -N said
      bindkey -e
      bindkey '^G' said
      PROMPT='READY> '`,
    );
    await onTerminal(folder, 'zsh --no-globalrcs -i', TYPED);
  }));

test('fish offers the commands, flags and values that there are', () =>
  withCompletions(folder => {
    if (skipped('fish')) return;
    const file = join(folder, 'fish');
    run('fish', ['--no-execute', file], { home: folder });
    checkOffers(line => {
      const script = `source '${file}'; complete -C '${line}'`;
      const offers = run('fish', ['--no-config', '-c', script], { home: folder }).trim().split('\n');
      return offers.map(offer => offer.split('\t')[0] ?? '').sort();
    });
  }));

test.run();
