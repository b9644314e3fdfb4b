import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { AssignedConfiguration } from '../../src/ike/api.js';
import {
  configurationReply,
  configurationRequest,
  readConfiguration,
  readConfigurationRequest,
} from '../../src/ike/configuration.js';
import { hex, syntaxError, toHex } from './support.js';

function attributes(list: { type: number; value: Uint8Array }[]): [number, string][] {
  return list.map(({ type, value }) => [type, toHex(value)]);
}

test('a request asks for address, name servers and networks of each family', () => {
  const request = configurationRequest({ addresses: [], families: [4, 6] });
  assert.is(request.cfgType, 1);
  assert.equal(attributes(request.attributes), [
    [1, ''],
    [3, ''],
    [13, ''],
    [8, ''],
    [10, ''],
    [15, ''],
    [25, ''],
  ]);
});

test('a request names the addresses that are wanted again', () => {
  const wanted = { addresses: ['10.61.0.5', '2001:db8::5'], families: [4, 6] as (4 | 6)[] };
  const request = configurationRequest(wanted);
  assert.equal(attributes(request.attributes)[0], [1, '0a3d0005']);
  assert.equal(attributes(request.attributes)[3], [8, '20010db800000000000000000000000580']);
  assert.equal(readConfigurationRequest(request), wanted);
});

test('a request for one family asks for nothing of the other', () => {
  const request = configurationRequest({ addresses: ['2001:db8::5'], families: [4] });
  assert.equal(readConfigurationRequest(request), { addresses: [], families: [4] });
});

const ASSIGNED: AssignedConfiguration = {
  addresses: ['10.61.0.5', '2001:db8::5'],
  dns: ['10.20.0.53', '2001:db8::53'],
  domains: ['corp.example.com', 'lab_1.example'],
  subnets: ['10.20.0.0/16', '0.0.0.0/0', '192.0.2.1/32', '2001:db8:1::/48'],
};

test('a reply comes back as it was', () => {
  const reply = configurationReply(ASSIGNED, configurationRequest({ addresses: [], families: [4] }));
  assert.is(reply.cfgType, 2);
  assert.equal(attributes(reply.attributes), [
    [1, '0a3d0005'],
    [8, '20010db800000000000000000000000580'],
    [3, '0a140035'],
    [10, '20010db8000000000000000000000053'],
    [25, '636f72702e6578616d706c652e636f6d'],
    [25, '6c61625f312e6578616d706c65'],
    [13, '0a140000ffff0000'],
    [13, '0000000000000000'],
    [13, 'c0000201ffffffff'],
    [15, '20010db800010000000000000000000030'],
  ]);
  assert.equal(readConfiguration(reply), ASSIGNED);
});

test('unknown and empty attributes are ignored', () => {
  const list = [
    { type: 7, value: hex('61') },
    { type: 3, value: hex('') },
    { type: 2, value: hex('ffffff00') },
    { type: 1, value: hex('0a3d0005') },
  ];
  const read = readConfiguration({ type: 'CP', cfgType: 2, attributes: list });
  assert.equal(read, { addresses: ['10.61.0.5'], dns: [], domains: [], subnets: [] });
});

test('what cannot be a domain is ignored, and nobody gets domains who did not ask for them', () => {
  const list = ['corp.example.', 'a\nnameserver 192.0.2.1', '-a', 'a..b'].map(text => ({
    type: 25,
    value: Buffer.from(text),
  }));
  assert.equal(readConfiguration({ type: 'CP', cfgType: 2, attributes: list }).domains, ['corp.example']);
  const reply = configurationReply(ASSIGNED, { type: 'CP', cfgType: 1, attributes: [] });
  assert.not.ok(reply.attributes.some(({ type }) => type === 25));
});

const REFUSED: [number, string][] = [
  [1, '0a3d00'],
  [1, '0a3d000500'],
  [3, '0a'],
  [8, '20010db8000000000000000000000005'],
  [8, '20010db800000000000000000000000581'],
  [10, '20010db800000000000000000000000580'],
  [13, '0a140000'],
  [13, '0a140000ff00ff00'],
  [13, '0a14000000000001'],
  [15, '20010db8000100000000000000000000'],
  [15, '20010db8000100000000000000000000ff'],
];

for (const [type, value] of REFUSED) {
  test(`attribute ${type} of value ${value} is refused`, () => {
    const payload = { type: 'CP' as const, cfgType: 2, attributes: [{ type, value: hex(value) }] };
    assert.ok(syntaxError(() => readConfiguration(payload)).authenticated);
  });
}

test.run();
