import { randomBytes } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tokenProof } from '../../src/relay/keys.js';
import {
  ALPN,
  encodeMessage,
  type Hello,
  MAX_MESSAGE,
  MessageReader,
  parseRelayMessage,
} from '../../src/relay/protocol.js';
import { Secret } from '../../src/secret.js';
import { failure, hexOf, type Scene, scene, TOKEN, until } from './scene.js';

/** A TLS connection to the relay that has said nothing yet. */
async function stranger(it: Scene, more: object = {}): Promise<TLSSocket> {
  const options = {
    host: '127.0.0.1',
    port: it.server.port,
    rejectUnauthorized: false,
    ALPNProtocols: [ALPN],
  };
  const socket = connectTls({ ...options, ...more });
  socket.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('close', () => reject(new Error('closed during the handshake')));
  });
  return socket;
}

function tcp(it: Scene): Socket {
  const socket = connectTcp({ host: '127.0.0.1', port: it.server.port });
  socket.on('error', () => {});
  socket.resume();
  return socket;
}

/** What the relay answers until it closes. */
async function answersOf(socket: Socket): Promise<string[]> {
  const reader = new MessageReader();
  const types: string[] = [];
  socket.on('data', chunk => types.push(...reader.push(chunk).map(body => parseRelayMessage(body).type)));
  if (!socket.destroyed) await new Promise(resolve => socket.once('close', resolve));
  return types;
}

const helloOf = (socket: TLSSocket, token = TOKEN, more: Partial<Hello> = {}) =>
  encodeMessage({
    type: 'hello',
    version: 1,
    name: 'client1',
    proof: tokenProof(socket, Secret.fromText(token), 'client1').toString('hex'),
    mode: 'clear',
    ...more,
  });

const noStrangers = (it: Scene) => until(() => it.server.status().connections === 0);

scene('one who says nothing is not waited for', async it => {
  await it.start({ timing: { helloTimeoutMs: 20, handshakeTimeoutMs: 20 } });
  const silent = await stranger(it);
  assert.equal(await answersOf(silent), []);
  const unfinished = tcp(it);
  await new Promise(resolve => unfinished.once('close', resolve));
  await noStrangers(it);
});

scene('one who sends a byte at a time has no more time than others', async it => {
  await it.start({ timing: { helloTimeoutMs: 40 } });
  const socket = await stranger(it);
  const hello = helloOf(socket);
  let sent = 0;
  const drip = setInterval(() => socket.write(hello.subarray(sent, ++sent)), 2);
  assert.equal(await answersOf(socket), []);
  clearInterval(drip);
  assert.ok(sent < hello.length);
  await noStrangers(it);
});

scene('oversized and malformed messages end their connection', async it => {
  await it.start();
  const length = (n: number) => Buffer.from([n >>> 24, n >>> 16, n >>> 8, n]);
  const bad = [
    length(MAX_MESSAGE + 1),
    length(0xffffffff),
    length(0),
    Buffer.concat([length(4), Buffer.from('null')]),
    Buffer.concat([length(8), randomBytes(8)]),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  ];
  for (const bytes of bad) {
    const socket = await stranger(it);
    socket.write(bytes);
    assert.equal(await answersOf(socket), ['refused']);
  }
  for (const early of [{ type: 'ping', id: 1 } as const, { type: 'bye' } as const]) {
    const socket = await stranger(it);
    socket.write(encodeMessage(early));
    assert.equal(await answersOf(socket), []);
  }
  await noStrangers(it);
  assert.equal(it.server.status().sessions, []);
});

scene('a message before the welcome, a second hello, a flood of pings end the connection', async it => {
  await it.start();
  const hasty = await stranger(it);
  hasty.write(Buffer.concat([helloOf(hasty), encodeMessage({ type: 'ping', id: 1 })]));
  assert.equal(await answersOf(hasty), []);

  // With a session that is there: it is not taken for connected, and so can end.
  const { grant } = await it.connect();
  const hastier = await stranger(it);
  const { id, secret } = grant.resume;
  const resume = { id, secret: hexOf(secret) };
  hastier.write(Buffer.concat([helloOf(hastier, TOKEN, { resume }), encodeMessage({ type: 'ping', id: 1 })]));
  await answersOf(hastier);
  await until(() => it.server.status().sessions.every(({ connected }) => !connected));

  const again = await stranger(it);
  const answers = answersOf(again);
  again.write(helloOf(again));
  again.once('data', () => again.write(helloOf(again)));
  assert.equal(await answers, ['welcome']);

  const flooding = await stranger(it);
  const pongs = answersOf(flooding);
  flooding.write(helloOf(flooding));
  flooding.once('data', () => {
    for (let id = 0; id < 10_000; id++) flooding.write(encodeMessage({ type: 'ping', id }));
  });
  assert.ok((await pongs).length < 200);
  await noStrangers(it);
});

scene('a proof from another connection is worth nothing', async it => {
  await it.start();
  const one = await stranger(it);
  const two = await stranger(it);
  two.write(helloOf(one));
  assert.equal(await answersOf(two), ['refused']);
  one.write(helloOf(one));
  await it.event('session-opened');
  one.destroy();
});

scene('TLS 1.2 and other protocols are not spoken', async it => {
  await it.start();
  await failure(
    stranger(it, { maxVersion: 'TLSv1.2' }).catch(() => Promise.reject({ code: 'closed' })),
    'closed',
  );
  await failure(
    stranger(it, { ALPNProtocols: ['h2'] }).catch(() => Promise.reject({ code: 'closed' })),
    'closed',
  );
  const noise = tcp(it);
  noise.write(randomBytes(4096));
  await new Promise(resolve => noise.once('close', resolve));
  await noStrangers(it);
});

scene('a flood of connections is bounded, and clients that are known are not in its way', async it => {
  const LIMIT = 10;
  await it.start({ limits: { strangersPerSource: LIMIT } });
  const known = [];
  for (let i = 0; i < 3; i++) known.push(await it.connect());
  const flood = Array.from({ length: 200 }, () => tcp(it));
  let closed = 0;
  for (const socket of flood) socket.once('close', () => closed++);
  await until(() => closed === flood.length - LIMIT);
  assert.is(it.server.status().connections, LIMIT + known.length);
  await failure(it.connect(), 'RELAY_UNREACHABLE');
  for (const socket of flood) socket.destroy();
  await until(() => it.server.status().connections === known.length);
  await it.connect();
  // The total bounds those that are known, too.
  await it.restart({ limits: { connections: 1 } });
  await it.connect();
  await failure(it.connect(), 'RELAY_UNREACHABLE');
});

scene('guesses at a token are limited, for one client and for a time', async it => {
  await it.start();
  const wrong = { token: Secret.fromText('wrong') };
  for (let i = 0; i < 5; i++) await failure(it.connect(wrong), 'RELAY_TOKEN_REFUSED');
  const blocked = await failure(it.connect(), 'RELAY_TOKEN_REFUSED');
  assert.match(blocked.message, 'too many');
  // Names that do not exist share one count.
  for (let i = 0; i < 5; i++) await failure(it.connect({ name: `nobody${i}` }), 'RELAY_TOKEN_REFUSED');
  assert.match((await failure(it.connect({ name: 'nobody9' }), 'RELAY_TOKEN_REFUSED')).message, 'too many');
  const { grant } = await it.connect({ name: 'client2', token: Secret.fromText('a token of client2') });
  assert.ok(grant.lease);
  const told = () => it.events.filter(({ type }) => type === 'client-refused').length;
  assert.is(told(), 10, 'of 12, without a second in between');
  it.time += 60_000;
  await it.connect();
});

scene('random bytes inside and outside TLS change nothing', async it => {
  await it.start({ limits: { strangersPerSource: 1000, strangers: 1000 } });
  const { grant } = await it.connect();
  const before = JSON.stringify(
    it.server.status().sessions.map(({ lease, connected }) => [lease, connected]),
  );
  for (let i = 0; i < 60; i++) {
    const socket = i % 2 === 0 ? tcp(it) : await stranger(it);
    socket.end(randomBytes(1 + 61 * i));
    socket.resume();
    await new Promise(resolve => socket.once('close', resolve));
  }
  await until(() => it.server.status().connections === 1);
  assert.is(
    JSON.stringify(it.server.status().sessions.map(({ lease, connected }) => [lease, connected])),
    before,
  );
  assert.is(it.dataPlane.installs, 1);
  assert.ok(it.dataPlane.sessions.has(grant.index));
});

test.run();
