import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VpnrError } from '../../src/errors.js';
import {
  COUNTER_RX_PACKETS,
  COUNTERS,
  DIRECTION_IN,
  DIRECTION_OUT,
  DROP_RX_AUTH,
  ERR_INDEX,
  ERR_LENGTH,
  ERR_STATE,
  ERR_SUITE,
  LAYOUT_BASE,
  MEMORY_BYTES,
  OK,
  SA_IN,
  SA_MAX,
  SA_OUT,
  SA_RECORD_SIZE,
  SCRATCH,
  SCRATCH_SELECTORS,
  SCRATCH_SIZE,
  SUITE_CHACHA20_POLY1305,
} from '../../src/packet/abi.js';
import { compileWasm, PacketCore, type SaParameters } from '../../src/packet/core.js';
import { ANY, anySelector } from '../support/client.js';

const KEY = Uint8Array.from({ length: 36 }, (_, i) => 0x40 + i);

const parameters = (change: Partial<SaParameters> = {}): SaParameters => ({
  direction: 'in',
  index: 5,
  spi: 0x1000_0005,
  suite: 'chacha20poly1305',
  path: 0,
  key: KEY,
  local: ANY,
  remote: ANY,
  ...change,
});

const internal = (part: string) => (error: unknown) =>
  error instanceof VpnrError && error.code === 'INTERNAL' && error.message.includes(part);

test('the module imports nothing, and its exports are those of the interface', () => {
  const module = compileWasm(readFileSync(new URL('../../src/core.wasm', import.meta.url)));
  assert.equal(WebAssembly.Module.imports(module), []);
  const declared = readFileSync('src/packet/exports.ts', 'utf8').matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm);
  assert.equal(
    WebAssembly.Module.exports(module)
      .map(({ name }) => name)
      .sort(),
    [...declared].map(match => match[1]).sort(),
  );
});

test('memory has its fixed size; static data lies below the layout', () => {
  const core = new PacketCore();
  assert.is(core.bytes.length, MEMORY_BYTES);
  assert.ok(core.exports.staticEnd.value > 0);
  assert.ok(core.exports.staticEnd.value <= LAYOUT_BASE);
});

test('instances share nothing', () => {
  const [one, other] = [new PacketCore(), new PacketCore()];
  one.bytes[LAYOUT_BASE] = 7;
  assert.is(other.bytes[LAYOUT_BASE], 0);
});

test('counters are read by name', () => {
  const core = new PacketCore();
  core.view.setBigUint64(COUNTERS + COUNTER_RX_PACKETS * 8, 12n, true);
  core.view.setBigUint64(COUNTERS + DROP_RX_AUTH * 8, 2n ** 40n, true);
  const counters = core.counters();
  assert.is(counters['rx-packets'], 12);
  assert.is(counters['rx-auth'], 2 ** 40);
  assert.is(counters['tx-packets'], 0);
});

test('an installation leaves no key in the scratch area, whether it succeeds or not', () => {
  const core = new PacketCore();
  const scratch = core.bytes.subarray(SCRATCH, SCRATCH + SCRATCH_SIZE);
  core.initClient(0n);
  core.installSa(parameters());
  assert.ok(scratch.every(byte => byte === 0));
  assert.throws(() => core.installSa(parameters()), internal('saInstall'));
  assert.ok(scratch.every(byte => byte === 0));
  const session = { mode: 'clear', clientPort: 1, sessionIndex: 2, lease: '10.0.0.1' } as const;
  const keys = { sendKey: KEY.subarray(0, 16), receiveKey: KEY.subarray(16, 32) };
  assert.throws(() => core.bindRelay({ ...session, ...keys }), internal('clientBind'));
  assert.ok(scratch.every(byte => byte === 0));
  core.setRelay({ address: '10.0.0.9', port: 7511 });
  core.bindRelay({ ...session, ...keys });
  assert.ok(scratch.every(byte => byte === 0));
});

test('wrong parameters of an association are refused', () => {
  const core = new PacketCore();
  core.initClient(0n);
  assert.throws(() => core.installSa(parameters({ key: KEY.subarray(1) })), RangeError);
  assert.throws(() => core.installSa(parameters({ index: 6 })), internal(`${ERR_INDEX}`));
  assert.throws(
    () => core.installSa(parameters({ direction: 'out', index: SA_MAX })),
    internal(`${ERR_INDEX}`),
  );
  assert.throws(() => core.installSa(parameters({ path: 16 })), internal(`${ERR_INDEX}`));
  assert.throws(() => core.installSa(parameters({ spi: 255, index: 255 })), internal(`${ERR_INDEX}`));
  assert.throws(() => core.installSa(parameters({ local: [] })), internal(`${ERR_LENGTH}`));
  assert.throws(() => core.installSa(parameters({ remote: [] })), internal(`${ERR_LENGTH}`));
  const nine = Array.from({ length: 9 }, () => anySelector(4));
  assert.throws(
    () => core.installSa(parameters({ remote: nine })),
    (error: unknown) => error instanceof VpnrError && error.code === 'TS_UNACCEPTABLE',
  );
  core.view.setUint32(SCRATCH + SCRATCH_SELECTORS, 1, true);
  core.view.setUint32(SCRATCH + SCRATCH_SELECTORS + 4, 1, true);
  assert.is(core.exports.saInstall(DIRECTION_IN, 5, 0x1000_0005, 9, 0, 0), ERR_SUITE);
  assert.is(core.exports.saInstall(2, 5, 0x1000_0005, SUITE_CHACHA20_POLY1305, 0, 0), ERR_INDEX);
  assert.is(core.exports.saRemove(DIRECTION_OUT, SA_MAX), ERR_INDEX);
  assert.is(core.exports.saRemove(2, 0), ERR_INDEX);
  assert.ok(core.bytes.subarray(SA_OUT, SA_IN + SA_MAX * SA_RECORD_SIZE).every(byte => byte === 0));
});

test('an association in use is not overwritten; removed, its place is free and its keys are gone', () => {
  const core = new PacketCore();
  core.initClient(0n);
  const first = parameters({ direction: 'out', spi: 0x700 });
  core.installSa(first);
  assert.throws(() => core.installSa({ ...first, spi: 0x800 }), internal(`${ERR_STATE}`));
  core.removeSa('out', 5);
  core.removeSa('out', 5);
  assert.is(Buffer.from(core.bytes.buffer).indexOf(KEY.subarray(0, 8)), -1);
  core.installSa({ ...first, spi: 0x800 });
  assert.is(core.saSequence('out', 5), 0n);
});

test('all places of both tables can be used at once', () => {
  const core = new PacketCore();
  core.initClient(0n);
  for (let index = 0; index < SA_MAX; index++) {
    core.installSa(parameters({ index, spi: 0x1000_0000 + index }));
    core.installSa(parameters({ direction: 'out', index, spi: 0x2000_0000 + index }));
  }
  for (let index = 0; index < SA_MAX; index++) {
    core.removeSa('in', index);
    core.removeSa('out', index);
  }
  assert.is(Buffer.from(core.bytes.buffer).indexOf(KEY.subarray(0, 8)), -1);
});

test('a path is given only an association of its own', () => {
  const core = new PacketCore();
  core.initClient(0n);
  core.installSa(parameters({ direction: 'out', index: 9, path: 3 }));
  core.setPath(3, 9);
  core.setPath(3, undefined);
  assert.throws(() => core.setPath(2, 9), internal(`${ERR_STATE}`));
  assert.throws(() => core.setPath(3, 10), internal(`${ERR_STATE}`));
  assert.throws(() => core.setPath(16, 9), internal(`${ERR_INDEX}`));
  assert.throws(() => core.setPath(3, SA_MAX), internal(`${ERR_INDEX}`));
  assert.throws(() => core.activate(16, 0), internal(`${ERR_INDEX}`));
  assert.is(core.exports.clientCredit(16, 1), ERR_INDEX);
  assert.is(core.exports.clientAddress(99, 4), ERR_INDEX);
  assert.is(core.exports.clientAddress(0, 5), ERR_INDEX);
  assert.is(core.exports.clientAddress(0, 4), OK);
});

test('addresses are checked before they reach the core', () => {
  const core = new PacketCore();
  assert.throws(() => core.setDeviceAddresses('10.0.0.256'), /is not an IP address/);
  assert.throws(() => core.setDeviceAddresses('10.0.0.1', '10.0.0.2'), internal('more than one'));
  assert.throws(() => core.setRelay({ address: 'fd00::1', port: 7511 }), /is not an IPv4 address/);
});

test.run();
