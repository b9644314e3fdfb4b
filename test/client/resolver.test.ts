import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GatewayResolver } from '../../src/client/resolver.js';
import { clientSchema, type GatewayEntry } from '../../src/config/client.js';

function gatewayAt(address: string): GatewayEntry {
  const [gateway] = clientSchema.parse({
    name: 'work',
    identity: 'client1',
    gateways: [{ name: 'tokyo', address, identity: 'tokyo', auth: { psk: { env: 'PSK' } } }],
  }).gateways;
  return gateway as GatewayEntry;
}

const never = new Promise<string>(() => {});

// The resolver's own timers do not keep a process alive.
let keepAlive: NodeJS.Timeout;
test.before(() => {
  keepAlive = setInterval(() => {}, 1000);
});
test.after(() => clearInterval(keepAlive));

test('an address needs no name server', async () => {
  const resolver = new GatewayResolver(() => Promise.reject(new Error('asked')));
  assert.equal(await resolver.resolve(gatewayAt('198.51.100.10')), { address: '198.51.100.10', port: 4500 });
  assert.equal(await resolver.resolveAll([gatewayAt('[2001:db8::1]:500')], 1000), ['2001:db8::1']);
});

test('a name is looked up each time, and its last address stands in for an answer that does not come', async () => {
  let asked = 0;
  const answers = [
    async () => '198.51.100.10',
    async () => '198.51.100.11',
    () => Promise.reject(new Error('SERVFAIL')),
    () => never,
  ];
  const resolver = new GatewayResolver(() => answers[asked++]?.() ?? never);
  const gateway = gatewayAt('tokyo.example.net:4501');
  assert.equal(await resolver.resolve(gateway), { address: '198.51.100.10', port: 4501 });
  assert.equal(await resolver.resolve(gateway), { address: '198.51.100.11', port: 4501 });
  assert.is((await resolver.resolve(gateway)).address, '198.51.100.11');
  assert.is((await resolver.resolve(gateway)).address, '198.51.100.11');
  // The question that is open is not asked again.
  assert.is((await resolver.resolve(gateway)).address, '198.51.100.11');
  assert.is(asked, answers.length);
});

test('a name that was never found is an error', async () => {
  const resolver = new GatewayResolver(() => Promise.reject(new Error('NXDOMAIN')));
  try {
    await resolver.resolve(gatewayAt('tokyo.example.net'));
    assert.unreachable();
  } catch (error) {
    assert.is((error as { code: string }).code, 'GATEWAY_UNRESOLVED');
  }
});

test('at the start nobody waits for a name server that is silent', async () => {
  const resolver = new GatewayResolver(host =>
    host === 'tokyo.example.net' ? never : Promise.resolve('203.0.113.10'),
  );
  const gateways = ['tokyo.example.net', 'osaka.example.net', '192.0.2.1'].map(gatewayAt);
  assert.equal(await resolver.resolveAll(gateways, 50), ['203.0.113.10', '192.0.2.1']);
});

test.run();
