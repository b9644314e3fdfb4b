import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type ClientMessage,
  encodeMessage,
  LENGTH_SIZE,
  MAX_MESSAGE,
  MessageReader,
  parseClientMessage,
  parseRelayMessage,
  type RelayMessage,
} from '../../src/relay/protocol.js';
import { randomSource } from './random.js';

const CASES = 100_000;

const hello: ClientMessage = {
  type: 'hello',
  version: 1,
  name: 'client1',
  proof: 'ab'.repeat(32),
  mode: 'clear',
  resume: { id: '01'.repeat(16), secret: '23'.repeat(32), keys: '45'.repeat(8) },
};
const welcome: RelayMessage = {
  type: 'welcome',
  version: 1,
  index: 0xffffffff,
  lease: '10.30.200.2',
  mode: 'clear',
  dataPort: 7511,
  mtu: 1360,
  id: '01'.repeat(16),
  secret: '23'.repeat(32),
  keys: 'fresh',
};
const fromClient: ClientMessage[] = [hello, { type: 'ping', id: 7 }, { type: 'bye' }];
const fromRelay: RelayMessage[] = [
  welcome,
  { type: 'refused', code: 'RELAY_POOL_EMPTY', message: 'no address left' },
  { type: 'pong', id: 7 },
  { type: 'drain' },
  { type: 'bye' },
];

const bytesOf = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

function refusal(read: () => unknown): { code?: string; message: string } {
  try {
    read();
  } catch (error) {
    return error as { code?: string; message: string };
  }
  return assert.unreachable('should have been refused') as never;
}

test('messages come out as they went in', () => {
  const reader = new MessageReader();
  for (const message of fromClient) {
    assert.equal(reader.push(encodeMessage(message)).map(parseClientMessage), [message]);
  }
  for (const message of fromRelay) {
    assert.equal(reader.push(encodeMessage(message)).map(parseRelayMessage), [message]);
  }
});

test('however the stream is cut, the messages are the same', () => {
  const stream = Buffer.concat(fromClient.map(encodeMessage));
  for (let size = 1; size <= stream.length; size++) {
    const reader = new MessageReader();
    const bodies: Uint8Array[] = [];
    for (let offset = 0; offset < stream.length; offset += size) {
      bodies.push(...reader.push(stream.subarray(offset, offset + size)));
    }
    assert.equal(bodies.map(parseClientMessage), fromClient, `pieces of ${size} bytes`);
  }
});

test('lengths of zero and above the maximum are refused before the content comes', () => {
  for (const length of [0, MAX_MESSAGE + 1, 0x7fffffff, 0xffffffff]) {
    const header = Buffer.alloc(LENGTH_SIZE);
    header.writeUInt32BE(length);
    assert.is(refusal(() => new MessageReader().push(header)).code, 'RELAY_PROTOCOL');
  }
  const largest = Buffer.alloc(LENGTH_SIZE + MAX_MESSAGE, 0x20);
  largest.writeUInt32BE(MAX_MESSAGE);
  assert.is(new MessageReader().push(largest)[0]?.length, MAX_MESSAGE);
});

test('every field must be there, of its shape, and no other', () => {
  const variants = (message: object): object[] => [
    ...Object.keys(message).map(key =>
      Object.fromEntries(Object.entries(message).filter(([name]) => name !== key)),
    ),
    ...Object.keys(message).flatMap(key =>
      [null, -1, 1.5, 2 ** 32, '', 'x', [], {}, true, 'a\nb'].map(value => ({ ...message, [key]: value })),
    ),
    { ...message, more: 1 },
    [message],
  ];
  const optional = ['resume', 'mtu', 'secret'];
  for (const message of fromClient) {
    for (const variant of variants(message)) {
      if (isAllowed(variant, message, optional)) continue;
      assert.is(
        refusal(() => parseClientMessage(bytesOf(variant))).code,
        'RELAY_PROTOCOL',
        JSON.stringify(variant),
      );
    }
  }
  for (const message of fromRelay) {
    for (const variant of variants(message)) {
      if (isAllowed(variant, message, optional)) continue;
      assert.is(
        refusal(() => parseRelayMessage(bytesOf(variant))).code,
        'RELAY_PROTOCOL',
        JSON.stringify(variant),
      );
    }
  }
});

/** A variant of the message that is as good: without an optional part, or with another name or text. */
function isAllowed(variant: object, message: object, optional: string[]): boolean {
  const changed = Object.keys(message).filter(
    key => (variant as Record<string, unknown>)[key] !== (message as Record<string, unknown>)[key],
  );
  const [key, ...others] = changed;
  if (key === undefined || others.length > 0 || Array.isArray(variant)) return false;
  if (!(key in variant)) return optional.includes(key);
  const value = (variant as Record<string, unknown>)[key];
  return (key === 'name' || key === 'message') && value === 'x';
}

test('another version is named', () => {
  const { message } = refusal(() => parseClientMessage(bytesOf({ ...hello, version: 2, other: true })));
  assert.match(message, 'version 2');
});

test('what is not JSON, or hides a prototype, is refused', () => {
  const bad = [
    '',
    '{',
    'null',
    '1',
    '"hello"',
    '[]',
    '{"type":"hello"}',
    '{"__proto__":{"type":"bye"}}',
    '{"type":"bye","__proto__":{}}',
    '{"type":"bye"}x',
  ];
  for (const text of bad) {
    assert.is(refusal(() => parseClientMessage(bytesOf(text))).code, 'RELAY_PROTOCOL', text);
  }
  const invalidUtf8 = Buffer.concat([
    Buffer.from('{"type":"bye","x":"'),
    Buffer.from([0xc3, 0x28]),
    Buffer.from('"}'),
  ]);
  assert.is(refusal(() => parseClientMessage(invalidUtf8)).code, 'RELAY_PROTOCOL');
  assert.is(refusal(() => parseClientMessage(bytesOf('['.repeat(MAX_MESSAGE)))).code, 'RELAY_PROTOCOL');
});

test(`${CASES} hostile streams: refused with a code, or a message of a known shape`, () => {
  const random = randomSource(0x7511);
  const seeds = [...fromClient.map(encodeMessage), ...fromRelay.map(encodeMessage)].map(bytes =>
    Buffer.from(bytes),
  );
  const types = new Set(['hello', 'ping', 'bye', 'welcome', 'refused', 'pong', 'drain']);
  let accepted = 0;
  let refused = 0;
  for (let i = 0; i < CASES; i++) {
    const stream = hostileStream(random, seeds);
    const parse = i % 2 === 0 ? parseClientMessage : parseRelayMessage;
    try {
      for (const body of new MessageReader().push(stream)) {
        assert.ok(types.has(parse(body).type));
        accepted += 1;
      }
    } catch (error) {
      assert.is((error as { code?: string }).code, 'RELAY_PROTOCOL', String(error));
      refused += 1;
    }
  }
  assert.ok(accepted > 0 && refused > CASES / 2);
});

/** Random bytes, random bodies under a true length, and real messages that were mutated, cut, or joined. */
function hostileStream(random: (below: number) => number, seeds: Buffer[]): Buffer {
  const seed = () => Buffer.from(seeds[random(seeds.length)] as Buffer);
  const framed = (body: Buffer) => {
    const header = Buffer.alloc(LENGTH_SIZE);
    header.writeUInt32BE(body.length);
    return Buffer.concat([header, body]);
  };
  const noise = (size: number) => Buffer.from(Array.from({ length: size }, () => random(256)));
  switch (random(6)) {
    case 0:
      return noise(random(64));
    case 1:
      return framed(noise(1 + random(64)));
    case 2: {
      const body = seed().subarray(LENGTH_SIZE);
      for (let n = 1 + random(4); n > 0; n--) body[random(body.length)] = random(256);
      return framed(body);
    }
    case 3: {
      const whole = seed();
      whole[random(LENGTH_SIZE)] = random(256);
      return whole;
    }
    case 4: {
      const body = seed().subarray(LENGTH_SIZE);
      return framed(body.subarray(0, 1 + random(body.length)));
    }
    default: {
      const one = seed();
      return Buffer.concat([one, seed().subarray(random(one.length)), seed()]);
    }
  }
}

test.run();
