import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ClientAddresses } from '../../src/gateway/addresses.js';
import { AddressPool, parsePool } from '../../src/service/pool.js';

const make = (prefix: string) => new ClientAddresses(new AddressPool(parsePool(prefix)));

test('an identity has one address, however many of its sessions overlap', () => {
  const addresses = make('10.61.0.0/29');
  assert.is(addresses.hold('a', undefined), '10.61.0.2');
  assert.is(addresses.hold('a', '10.61.0.5'), '10.61.0.2');
  assert.is(addresses.hold('b', undefined), '10.61.0.3');
  addresses.release('a');
  assert.is(addresses.hold('c', '10.61.0.2'), '10.61.0.4', 'still held');
  addresses.release('a');
  addresses.release('a');
  addresses.release('nobody');
  assert.is(addresses.hold('a', '10.61.0.6'), '10.61.0.2', 'kept for it');
});

test('an empty pool gives nothing, until somebody leaves', () => {
  const addresses = make('10.61.0.0/30');
  assert.is(addresses.hold('a', undefined), '10.61.0.2');
  assert.is(addresses.hold('b', undefined), undefined);
  addresses.release('b');
  addresses.release('a');
  assert.is(addresses.hold('b', undefined), '10.61.0.2');
});

test('what a client wants it gets only where nobody was', () => {
  const addresses = make('10.61.0.0/28');
  assert.is(addresses.hold('a', '10.61.0.9'), '10.61.0.9');
  addresses.release('a');
  assert.is(addresses.hold('b', '10.61.0.9'), '10.61.0.2', 'kept for another');
  for (const wanted of ['10.61.0.0', '10.61.0.1', '10.61.0.15', '10.61.0.16', '::1']) {
    assert.not.throws(() => addresses.hold(wanted, wanted));
    assert.is.not(addresses.hold(wanted, wanted), wanted);
  }
});

test.run();
