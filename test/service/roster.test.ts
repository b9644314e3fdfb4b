import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { VpnrError } from '../../src/errors.js';
import { Secret } from '../../src/secret.js';
import { otherChanges } from '../../src/service/reload.js';
import { Roster } from '../../src/service/roster.js';

const secrets = (entries: Record<string, string>) =>
  Object.entries(entries).map(([name, text]) => [name, Secret.fromText(text)] as [string, Secret]);
const isWiped = (secret: Secret) => secret.reveal().every(byte => byte === 0);
const isInvalid = (error: unknown) => (error as VpnrError).code === 'CONFIG_INVALID';

test('what is new, gone or changed is told; what nobody has any more is wiped, and nothing else', () => {
  const before = secrets({ stays: 'one', changes: 'two', goes: 'three' });
  const after = secrets({ comes: 'four', changes: 'another', stays: 'one' });
  const roster = new Roster(before);
  const change = roster.replace(new Roster(after));
  assert.equal(change, { added: ['comes'], removed: ['goes'], changed: ['changes'] });
  assert.equal(roster.names, ['comes', 'changes', 'stays']);
  assert.is(roster.size, 3);
  assert.is(roster.get('stays'), before[0]?.[1], 'the same object');
  assert.is(roster.get('changes'), after[1]?.[1]);
  assert.is(roster.get('goes'), undefined);
  assert.not.ok(roster.has('goes'));
  assert.equal(
    [...before, ...after].map(([, secret]) => isWiped(secret)),
    [false, true, true, false, false, true],
  );
  roster.wipe();
  assert.ok([...before, ...after].every(([, secret]) => isWiped(secret)));
});

test('names are there once, and secrets are not empty', () => {
  assert.throws(() => new Roster([...secrets({ a: 'one' }), ...secrets({ a: 'two' })]), isInvalid);
  assert.throws(() => new Roster(secrets({ a: '' })), isInvalid);
});

test('when one secret cannot be read, the others are wiped', () => {
  const read = Secret.fromText('one');
  const fail = (): never => {
    throw new Error('no such file');
  };
  const entries = [
    ['a', () => read],
    ['b', fail],
  ] as const;
  assert.throws(() => Roster.read(entries), /no such file/);
  assert.ok(isWiped(read));
});

test('the sections of a configuration that differ are named, but for the clients', () => {
  const before = { name: 'relay', pool: '10.31.0.0/24', clients: [1], replay: { bytes: 1 }, state: 'a' };
  assert.equal(otherChanges(before, { ...before, clients: [1, 2] }), []);
  const { state: _, ...after } = { ...before, pool: '10.32.0.0/24', replay: { bytes: 1 }, metrics: 'b' };
  assert.equal(otherChanges(before, after), ['pool', 'state', 'metrics']);
});

test.run();
