import { PassThrough } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { complaintOf, Questions, type Terminal } from '../../src/cli/questions.js';
import { network } from '../../src/config/values.js';
import { VpnrError } from '../../src/errors.js';

/** A terminal on which somebody has typed these lines ahead. */
function terminal(isTTY: boolean, ...lines: string[]): { streams: Terminal; shown: () => string } {
  const [input, output] = [new PassThrough(), new PassThrough()];
  input.end(lines.map(line => `${line}\n`).join(''));
  let shown = '';
  output.on('data', bytes => {
    shown += bytes;
  });
  const streams = { input: Object.assign(input, { isTTY }), output: Object.assign(output, { isTTY }) };
  return { streams: streams as unknown as Terminal, shown: () => shown };
}

const NETWORKS = { flag: '--network', text: 'Networks', complaint: complaintOf(network) };
const usage = (error: unknown) => error instanceof VpnrError && error.code === 'USAGE';

async function rejects(promise: Promise<unknown>, fits: (error: unknown) => boolean): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(fits(error), String(error));
}

test('what is wrong is told, and asked for again; an empty answer means what is usual', async () => {
  const { streams, shown } = terminal(
    true,
    '',
    'nonsense',
    '10.0.0.0/8 10.1.0.0/99',
    '10.0.0.0/8, 10.1.0.0/16',
    '',
  );
  const questions = new Questions(streams);
  assert.equal(await questions.askList(undefined, NETWORKS), ['10.0.0.0/8', '10.1.0.0/16']);
  assert.is(await questions.ask(undefined, { flag: '--name', text: 'Name', usual: 'work' }), 'work');
  questions.finish();
  assert.is(shown().match(/Networks: /g)?.length, 4);
  assert.match(shown(), 'nonsense: expected a network such as');
  assert.match(shown(), '10.1.0.0/99: expected a network such as');
  assert.match(shown(), 'Name [work]: ');
});

test('what a flag says is not asked for, nor taken apart, but checked', async () => {
  const { streams, shown } = terminal(true);
  const questions = new Questions(streams);
  assert.is(await questions.ask('C=CH, CN=carol', { flag: '--client', text: 'Client' }), 'C=CH, CN=carol');
  await rejects(questions.askList(['10.0.0.0/8', '10.0.0.0'], NETWORKS), usage);
  assert.is(shown(), '');
});

test('where nobody can be asked, all that is missing is named', async () => {
  const questions = new Questions(terminal(false).streams);
  assert.equal(await questions.askList(undefined, { ...NETWORKS, usual: '10.0.0.0/8' }), ['10.0.0.0/8']);
  await questions.ask(undefined, { flag: '--address', text: 'Address' });
  await questions.askList(undefined, NETWORKS);
  assert.throws(() => questions.finish(), /missing: --address, --network/);
});

test('an end of the input in the middle is an error', async () => {
  const questions = new Questions(terminal(true, '').streams);
  await rejects(questions.askList(undefined, NETWORKS), usage);
});

test.run();
