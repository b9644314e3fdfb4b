import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { TrafficSelector } from '../../src/ike/api.js';
import {
  anySelector,
  cidrSelector,
  containsSelector,
  intersectSelectors,
  isSubset,
  narrowSelectors,
} from '../../src/ike/selectors.js';

function range(first: string, last: string, fields: Partial<TrafficSelector> = {}): TrafficSelector {
  const family = first.includes(':') ? 6 : 4;
  return { family, protocol: 0, firstPort: 0, lastPort: 65535, first, last, ...fields };
}

test('CIDR notation to a range', () => {
  assert.equal(cidrSelector('10.1.2.3/8'), range('10.0.0.0', '10.255.255.255'));
  assert.equal(cidrSelector('192.0.2.1'), range('192.0.2.1', '192.0.2.1'));
  assert.equal(cidrSelector('192.0.2.1/31'), range('192.0.2.0', '192.0.2.1'));
  assert.equal(cidrSelector('2001:db8::/126'), range('2001:db8::', '2001:db8::3'));
  assert.equal(anySelector(4), range('0.0.0.0', '255.255.255.255'));
  assert.equal(anySelector(6), range('::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'));
});

test('what is no CIDR notation', () => {
  for (const text of [
    '',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '::/129',
    '10.0.0/8',
    '10.0.0.0/8/8',
    'a/8',
  ]) {
    assert.throws(() => cidrSelector(text), /neither an address nor a network/, text);
  }
});

test('intersection', () => {
  const web = range('10.0.0.0', '10.0.0.255', { protocol: 6, firstPort: 80, lastPort: 443 });
  assert.equal(intersectSelectors(web, anySelector(4)), web);
  assert.equal(
    intersectSelectors(web, range('10.0.0.128', '10.0.1.255', { protocol: 6, firstPort: 100 })),
    range('10.0.0.128', '10.0.0.255', { protocol: 6, firstPort: 100, lastPort: 443 }),
  );
  assert.is(intersectSelectors(web, anySelector(6)), undefined);
  assert.is(intersectSelectors(web, range('10.0.0.0', '10.0.0.255', { protocol: 17 })), undefined);
  assert.is(intersectSelectors(web, range('10.0.1.0', '10.0.1.255')), undefined);
  assert.is(intersectSelectors(web, range('10.0.0.0', '10.0.0.255', { firstPort: 444 })), undefined);
});

test('containment', () => {
  const web = range('10.0.0.0', '10.0.0.255', { protocol: 6, firstPort: 80, lastPort: 443 });
  assert.ok(containsSelector(anySelector(4), web));
  assert.ok(containsSelector(web, web));
  assert.not(containsSelector(web, anySelector(4)));
  assert.not(containsSelector(anySelector(6), web));
  assert.not(containsSelector(web, { ...web, protocol: 0 }));
  assert.not(containsSelector(web, { ...web, firstPort: 79 }));
  assert.not(containsSelector(web, { ...web, lastPort: 444 }));
  assert.not(containsSelector(web, { ...web, first: '9.255.255.255' }));
  assert.not(containsSelector(web, { ...web, last: '10.0.1.0' }));
});

test('an answer must be a subset of the offer', () => {
  const offer = [cidrSelector('10.0.0.0/8'), cidrSelector('192.0.2.0/24')];
  assert.ok(isSubset([cidrSelector('10.20.0.0/16'), cidrSelector('192.0.2.7')], offer));
  assert.not(isSubset([cidrSelector('10.20.0.0/16'), cidrSelector('0.0.0.0/0')], offer));
});

test('narrowing keeps what policy allows', () => {
  const allowed = [cidrSelector('10.20.0.0/16'), cidrSelector('10.21.0.0/16')];
  assert.equal(narrowSelectors([anySelector(4), anySelector(6)], allowed), allowed);
  assert.equal(narrowSelectors([cidrSelector('10.20.3.0/24')], allowed), [cidrSelector('10.20.3.0/24')]);
  assert.equal(narrowSelectors([anySelector(4), cidrSelector('10.20.3.0/24')], allowed), allowed);
  assert.equal(narrowSelectors([cidrSelector('10.22.0.0/16')], allowed), []);
});

test('narrowing 255 selectors with 255 others ends with at most 255', () => {
  const many = Array.from({ length: 255 }, (_, index) => cidrSelector(`10.0.${index}.0/24`));
  assert.is(narrowSelectors(many, many).length, 255);
});

test.run();
