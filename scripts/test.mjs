// Runs everything that must hold: `node scripts/test.mjs`, or only the test files whose paths contain one of the
// arguments. Each file is a process of its own. uvu calls a file that registers nothing a success, so a file must
// report at least one test, and passed plus skipped must equal the tests it found.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildDist, filesBelow, root, transpile } from './compile.mjs';
import { prepare } from './prepare.mjs';

const FILE_TIMEOUT_MS = 15 * 60_000;
/** A file that is asked to end has this long to put everything back. */
const GRACE_MS = 10_000;
/** What is run a second time without the kernel's offloads: all that moves packets, of the system's tests those of this name. */
const WITHOUT_OFFLOADS = [
  { file: 'test/dataplane/client.test.ts' },
  { file: 'test/dataplane/failover.test.ts' },
  { file: 'test/dataplane/gateway.test.ts' },
  { file: 'test/dataplane/relay.test.ts' },
  { file: 'test/system/failover.test.ts', name: 'a second failure' },
  { file: 'test/system/gateway.test.ts', name: 'renew all keys' },
];
const wanted = process.argv.slice(2).filter(arg => !arg.startsWith('-'));
const totals = { passed: 0, failed: 0, skipped: 0 };
const running = new Set();
/** What failed and why, told once more at the end, where it is found. */
const failures = [];

/** Runs a step that is no test; its failure fails the run. */
function step(name, run) {
  const started = performance.now();
  let problem;
  try {
    problem = run();
  } catch (error) {
    problem = error.message;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${problem === undefined ? 'ok  ' : 'FAIL'} ${name}  ${seconds} s`);
  if (problem === undefined) return;
  totals.failed += 1;
  failures.push(`${name}\n${indent(String(problem).trimEnd())}`);
  console.log(failures.at(-1));
}

function indent(text) {
  return text.replace(/^(?=.)/gm, '     ');
}

/** As `npm run SCRIPT`, quiet when it succeeds. */
function npmScript(script) {
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', script], {
    cwd: root,
    encoding: 'utf8',
  });
  return status === 0 ? undefined : `${stdout}${stderr}`;
}

async function runAll(list, concurrency) {
  const queue = [...list];
  const worker = async () => {
    for (let run = queue.shift(); run !== undefined; run = queue.shift())
      record(run.title, await runFile(run));
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

/** `environment`: on top of this process's. */
function runFile({ file, environment }) {
  return new Promise(resolve => {
    const started = performance.now();
    const script = join(root, '.build', file.replace(/\.ts$/, '.js'));
    const child = spawn(process.execPath, ['--enable-source-maps', script], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1', ...environment },
    });
    running.add(child);
    let output = '';
    child.stdout.on('data', chunk => (output += chunk));
    child.stderr.on('data', chunk => (output += chunk));
    const timer = setTimeout(() => {
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
    }, FILE_TIMEOUT_MS);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ output, code, signal, seconds: (performance.now() - started) / 1000 });
    });
  });
}

function record(file, { output, code, signal, seconds }) {
  const figure = name => Number(output.match(new RegExp(`^\\s*${name}:\\s+(\\d+)`, 'm'))?.[1] ?? 0);
  const found = figure('Total');
  const passed = figure('Passed');
  // uvu counts a skipped test apart from its total.
  const skippedCases = [...output.matchAll(/^# skipped (\d+): .*$/gm)];
  const skipped = figure('Skipped') + skippedCases.reduce((sum, match) => sum + Number(match[1]), 0);
  const bad = code !== 0 || signal !== null || passed !== found || found + skipped === 0;
  totals.passed += passed;
  totals.skipped += skipped;
  totals.failed += bad ? Math.max(1, found - passed) : 0;
  console.log(`${bad ? 'FAIL' : 'ok  '} ${file}  ${passed}/${found}  ${seconds.toFixed(1)} s`);
  // Why tests were skipped, and the figures that tests tell.
  for (const [line] of output.matchAll(/^# .*$/gm)) console.log(`     ${line}`);
  if (bad) {
    console.log(indent(output));
    failures.push(`${file}\n${indent(reasonOf({ output, code, signal, seconds, found }))}`);
  }
}

/** Why a file counts as failed: what uvu says of the tests that did, or how the process ended. */
function reasonOf({ output, code, signal, seconds, found }) {
  if (signal !== null) return `ended by ${signal} after ${seconds.toFixed(0)} s`;
  if (found === 0) return `reported no test, exit status ${code}`;
  const told = output.match(/^ {3}FAIL {2}"[\s\S]*?(?=^ {2}Total:)/m)?.[0];
  return told?.replace(/\n{2,}/g, '\n').trimEnd() ?? `exit status ${code}`;
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const child of running) child.kill(signal);
    process.exit(1);
  });
}

prepare();
const files = filesBelow('test', '.test.ts').filter(
  file => wanted.length === 0 || wanted.some(part => file.includes(part)),
);
const runs = [
  ...files.map(file => ({ file, title: file })),
  ...WITHOUT_OFFLOADS.filter(({ file }) => files.includes(file)).map(({ file, name }) => ({
    file,
    title: `${file} without offloads`,
    environment: { VPNR_OFFLOADS: 'off', ...(name !== undefined && { TEST_NAME: name }) },
  })),
];
const unit = runs.filter(({ file }) => !file.startsWith('test/system/'));
const system = runs.filter(({ file }) => file.startsWith('test/system/'));
if (wanted.length === 0)
  for (const script of ['lint', 'typecheck', 'depcheck']) step(script, () => npmScript(script));
step('transpile', transpile);
// The system tests run the command as a user does.
if (system.length > 0) step('build', buildDist);
await runAll(unit, 2);
await runAll(system, 1);
if (totals.passed === 0) {
  console.log('no test ran');
  totals.failed += 1;
}
if (failures.length > 0) console.log(`\nfailed:\n${failures.join('\n')}`);
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed === 0 ? 0 : 1;
