import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as abi from '../../src/packet/abi.js';
import { counterIndices, isDrop } from '../../src/packet/counters.js';

test('names come from the constants', () => {
  assert.is(counterIndices.get('tx-packets'), abi.COUNTER_TX_PACKETS);
  assert.is(counterIndices.get('rx-replay'), abi.DROP_RX_REPLAY);
  assert.is(counterIndices.get('tx-malformed'), abi.DROP_TX_MALFORMED);
  assert.is(counterIndices.get('relay-tag'), abi.DROP_RELAY_TAG);
  assert.is(counterIndices.get('first'), undefined);
  assert.is([...counterIndices.keys()][0], 'tx-packets');
});

test('every counter has an index and a name of its own, within its table', () => {
  const constants = Object.keys(abi).filter(name => /^(COUNTER|DROP)_/.test(name) && name !== 'DROP_FIRST');
  const indices = [...counterIndices.values()];
  assert.is(counterIndices.size, constants.length);
  assert.is(new Set(indices).size, constants.length);
  assert.ok(indices.every(index => index < abi.COUNTERS_MAX));
});

test('reasons for drops begin at DROP_FIRST', () => {
  for (const [name, index] of Object.entries(abi)) {
    if (name.startsWith('COUNTER_')) assert.not(isDrop(index), name);
    if (name.startsWith('DROP_')) assert.ok(isDrop(index), name);
  }
});

test.run();
