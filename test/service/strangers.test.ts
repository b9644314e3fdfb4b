import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ConnectionGate, DEFAULT_LIMITS } from '../../src/relay/admission.js';
import { FailureLimiter } from '../../src/service/failures.js';
import { sourceOf } from '../../src/service/source.js';

test('a source is an IPv4 address, or the /64 of an IPv6 address', () => {
  const sources: [string, string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::', '2001:db8:1:3::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['::1', '::/64'],
    ['unknown', 'unknown'],
  ];
  for (const [address, source] of sources) assert.is(sourceOf(address), source);
});

test('wrong secrets from one IPv6 network count together', () => {
  const limiter = new FailureLimiter({ failures: 5, failureWindowMs: 60_000 });
  for (let n = 1; n <= 5; n++) {
    assert.not(limiter.blocked('2001:db8:1:2::99', 'client1', 0));
    limiter.failed(`2001:db8:1:2::${n}`, 'client1', 0);
  }
  assert.ok(limiter.blocked('2001:db8:1:2::99', 'client1', 0));
  assert.not(limiter.blocked('2001:db8:1:3::99', 'client1', 0));
  assert.not(limiter.blocked('2001:db8:1:2::99', 'client2', 0));
});

test('connections from one IPv6 network count together, until they are known or gone', () => {
  const gate = new ConnectionGate({ ...DEFAULT_LIMITS, strangersPerSource: 3 }, () => 0);
  const connect = (host: number) => gate.admit(`2001:db8:1:2::${host}`);
  const [first, second, third] = [connect(1), connect(2), connect(3)];
  assert.equal([third === undefined, connect(4)], [false, undefined]);
  assert.ok(gate.admit('2001:db8:1:3::1') !== undefined);
  first?.known();
  assert.ok(connect(5) !== undefined);
  assert.is(connect(6), undefined);
  second?.left();
  assert.ok(connect(7) !== undefined);
});

test('connections of one source that come and go are let in so many a second', () => {
  let now = 0;
  const gate = new ConnectionGate({ ...DEFAULT_LIMITS, connectionsPerSecond: 10 }, () => now);
  /** Of a hundred that leave at once. */
  const count = (address: string) => {
    let admitted = 0;
    for (let n = 0; n < 100; n++) {
      const one = gate.admit(address);
      one?.left();
      if (one !== undefined) admitted += 1;
    }
    return admitted;
  };
  assert.equal([count('192.0.2.1'), count('192.0.2.1'), count('192.0.2.2')], [10, 0, 10]);
  now = 500;
  assert.is(count('192.0.2.1'), 5);
  assert.is(gate.connections, 0);
});

test.run();
