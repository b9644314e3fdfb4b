import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkRelayCertificate } from '../../src/client/relay-check.js';
import { makeCertificate } from '../../src/init/certificate.js';
import { ALPN, encodeMessage } from '../../src/relay/protocol.js';
import { Secret } from '../../src/secret.js';
import { certificates, failure, scene, TOKEN } from './scene.js';

scene('a wrong token and an unknown client are refused alike', async it => {
  await it.start();
  const wrong = await failure(it.connect({ token: Secret.fromText('wrong') }), 'RELAY_TOKEN_REFUSED');
  const unknown = await failure(it.connect({ name: 'nobody' }), 'RELAY_TOKEN_REFUSED');
  const others = await failure(it.connect({ name: 'client2' }), 'RELAY_TOKEN_REFUSED');
  assert.is(wrong.message, unknown.message);
  assert.is(wrong.message, others.message);
  assert.ok(wrong.remedy);
  assert.is(it.dataPlane.installs, 0);
  const event = await it.event('client-refused');
  assert.equal([event.client, event.code], ['client1', 'RELAY_TOKEN_REFUSED']);
});

scene('another certificate is refused, and both fingerprints are said', async it => {
  await it.start(certificates.other);
  const trust = { fingerprint: `sha256:${'ab'.repeat(32)}` };
  const error = await failure(it.connect({ trust }), 'RELAY_CERTIFICATE');
  assert.match(error.message, `expected ${trust.fingerprint}`);
  assert.match(error.message, `seen ${it.server.fingerprint}`);
  assert.equal(it.server.status().sessions, []);
});

scene('a fingerprint may have colons and capitals', async it => {
  await it.start();
  const digits = it.server.fingerprint.slice('sha256:'.length).toUpperCase();
  await it.connect({ trust: { fingerprint: `SHA256:${digits.match(/../g)?.join(':')}` } });
  await it.connect({ trust: { fingerprint: digits } });
  for (const bad of ['', 'sha256:', `sha256:${'a'.repeat(63)}`, `sha1:${'a'.repeat(64)}`, 'a'.repeat(65)]) {
    await failure(it.connect({ trust: { fingerprint: bad } }), 'CONFIG_INVALID');
  }
});

scene('an authority vouches for the relay and its name', async it => {
  await it.start(certificates.signed);
  const ca = certificates.authority;
  await it.connect({ trust: { ca } });
  await it.connect({ trust: { ca, name: 'relay.example' } });
  await failure(it.connect({ trust: { ca, name: 'other.example' } }), 'RELAY_CERTIFICATE');
  await failure(it.connect({ trust: { ca: certificates.other.certificate } }), 'RELAY_CERTIFICATE');
});

scene("the system's authorities do not count when a certificate is pinned", async it => {
  await it.start(certificates.signed);
  await it.connect();
  await failure(it.connect({ trust: { ca: certificates.relay.certificate } }), 'RELAY_CERTIFICATE');
});

scene('no relay, a relay that is silent, something else that answers', async it => {
  await it.start();
  const tcp = createServer(socket => socket.on('error', () => {}).resume());
  await new Promise<void>(resolve => tcp.listen(0, '127.0.0.1', resolve));
  const relay = { address: '127.0.0.1', port: (tcp.address() as { port: number }).port };
  const silent = await failure(it.connect({ relay, connectTimeoutMs: 50 }), 'RELAY_UNREACHABLE');
  assert.match(silent.message, 'fell silent');
  const controller = new AbortController();
  const pending = it.connect({ relay, signal: controller.signal });
  controller.abort(new Error('not wanted any more'));
  assert.match(String(await pending.catch(error => error)), 'not wanted any more');
  assert.match(String(await it.connect({ signal: controller.signal }).catch(error => error)), 'not wanted');
  tcp.removeAllListeners('connection');
  tcp.on('connection', socket => {
    socket.on('error', () => {}).resume();
    socket.end('220 mail.example ESMTP\r\n');
  });
  await failure(it.connect({ relay }), 'RELAY_PROTOCOL');
  tcp.removeAllListeners('connection');
  tcp.on('connection', socket => socket.destroy());
  await failure(it.connect({ relay }), 'RELAY_UNREACHABLE');
  await new Promise(resolve => tcp.close(resolve));
  const refused = await failure(it.connect({ relay }), 'RELAY_UNREACHABLE');
  assert.match(refused.message, `127.0.0.1:${relay.port}`);
  assert.ok(refused.remedy);
});

scene('a false relay learns nothing and gets nothing accepted', async it => {
  await it.start();
  const heard: string[] = [];
  const { relay } = certificates;
  const options = { cert: relay.certificate, key: Buffer.from(relay.key.reveal()), ALPNProtocols: [ALPN] };
  let reply: object = {};
  let first = false;
  const server = createTlsServer(options, socket => {
    socket.on('error', () => {});
    const answer = () => socket.write(encodeMessage(reply as never));
    if (first) answer();
    socket.on('data', chunk => {
      heard.push(chunk.toString('latin1'));
      if (!first) answer();
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const at = { address: '127.0.0.1', port: (server.address() as { port: number }).port };
  const welcome = {
    type: 'welcome',
    version: 1,
    id: '11'.repeat(16),
    index: 7,
    lease: '10.0.0.2',
    mode: 'clear',
    dataPort: 1,
    keys: 'fresh',
  };
  const bad = [
    welcome,
    { ...welcome, secret: 'zz' },
    { ...welcome, keys: 'kept', secret: '00'.repeat(32) },
    { ...welcome, index: 0, secret: '00'.repeat(32) },
    { ...welcome, lease: '10.0.0.256', secret: '00'.repeat(32) },
    { ...welcome, mode: 'sealed', secret: '00'.repeat(32) },
    { ...welcome, version: 2, secret: '00'.repeat(32) },
    { type: 'refused', code: 'RELAY_PROTOCOL', message: '\u001b[2J' },
    { type: 'pong', id: 1 },
    { type: 'hello' },
    {},
  ];
  for (reply of bad) await failure(it.connect({ relay: at }), 'RELAY_PROTOCOL');
  first = true;
  reply = { ...welcome, secret: '00'.repeat(32) };
  await failure(
    it.connect({ relay: at, trust: { fingerprint: `sha256:${'00'.repeat(32)}` } }),
    'RELAY_CERTIFICATE',
  );
  assert.ok(heard.length > 0);
  assert.not.match(heard.join(), TOKEN);
  server.close();
});

scene("before connecting, a relay's certificate is looked at if it can be", async it => {
  await it.start();
  const address = { host: '127.0.0.1', port: it.server.port };
  const entry = { address, token: { file: 'token' }, mode: 'clear', trust_network: false } as const;
  const look = (fingerprint: string, to = address) =>
    checkRelayCertificate({ ...entry, address: to, fingerprint }, '/');
  assert.match(await look(it.server.fingerprint), /has the expected one, soon to expire: valid to /);
  await failure(look(`sha256:${'ab'.repeat(32)}`), 'RELAY_CERTIFICATE');
  const nobody = { host: '127.0.0.1', port: 1 };
  assert.match(await look(it.server.fingerprint, nobody), /does not answer outside the tunnel/);
  assert.equal(it.server.status().sessions, []);
});

scene("the authority's certificate is looked at as well", async it => {
  await it.start(certificates.signed);
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-authority-'));
  try {
    const address = { host: '127.0.0.1', port: it.server.port };
    const entry = { address, token: { file: 'token' }, mode: 'clear', trust_network: false } as const;
    const look = (ca: string, content: string) => {
      writeFileSync(join(folder, ca), content);
      return checkRelayCertificate({ ...entry, ca }, folder);
    };
    assert.match(
      await look('ca.crt', certificates.authority),
      /^ca\.crt is .*valid to .*; 127.* has the expected one/,
    );
    await failure(look('other.crt', certificates.other.certificate), 'RELAY_CERTIFICATE');
    await failure(look('empty.crt', ''), 'CERTIFICATE_INVALID');
    await failure(look('over.crt', makeCertificate('127.0.0.1', -1).certificate), 'CERTIFICATE_INVALID');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
