/** Reading what iperf3, ping and the kernel print. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { iperfArguments, isBusy, parseIperf } from '../../../src/bench/tunnel/iperf.js';
import { parsePing } from '../../../src/bench/tunnel/ping.js';
import {
  cpuSeconds,
  parseCpuSeconds,
  parsePeakMemoryMB,
  peakMemoryMB,
} from '../../../src/bench/tunnel/usage.js';
import { VpnrError } from '../../../src/errors.js';

function failing(body: () => unknown): VpnrError {
  try {
    body();
  } catch (error) {
    if (error instanceof VpnrError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

test('of iperf3 counts what was received, not what was sent', () => {
  const report = {
    end: {
      sum_sent: { bytes: 62_464_416, bits_per_second: 499_628_892.2 },
      sum_received: { bytes: 52_441_956, bits_per_second: 419_430_790.3, lost_packets: 7305 },
    },
  };
  assert.equal(parseIperf(JSON.stringify(report)), { bytes: 52_441_956, bitsPerSecond: 419_430_790.3 });
});

test("iperf3's own error is told in one line", () => {
  const report = { start: {}, end: {}, error: 'unable to connect to server: Connection refused' };
  const error = failing(() => parseIperf(JSON.stringify(report)));
  assert.is(error.code, 'LAB_FAILED');
  assert.is(error.message, 'iperf3: unable to connect to server: Connection refused');
});

test('a server that still ends the run before is no error', () => {
  const report = { start: {}, end: {}, error: 'the server is busy running a test. try again later' };
  assert.ok(isBusy(JSON.stringify(report, null, '\t')));
  assert.not.ok(isBusy(JSON.stringify({ ...report, error: 'unable to connect to server' })));
  assert.not.ok(isBusy(''));
});

test('an iperf3 that says nothing, or not enough, is an error', () => {
  assert.match(failing(() => parseIperf('', 'killed\nmore')).message, 'no result: killed');
  assert.match(failing(() => parseIperf('')).message, 'no result: nothing');
  assert.match(failing(() => parseIperf('{"end":{}}')).message, 'version 3.7');
});

test('iperf3 is asked for streams', () => {
  assert.equal(iperfArguments({ address: '10.0.0.1', seconds: 2 }), [
    '--json',
    '--client',
    '10.0.0.1',
    '--time',
    '2',
  ]);
  const many = iperfArguments({ address: '10.0.0.1', seconds: 2, count: 8, reverse: true });
  assert.equal(many.slice(5), ['--parallel', '8', '--reverse']);
  const datagrams = { bytes: 1372, rate: 1e9 / 3 };
  assert.equal(iperfArguments({ address: '10.0.0.1', seconds: 1, datagrams }).slice(5), [
    '--udp',
    '--length',
    '1372',
    '--bitrate',
    '333333333',
  ]);
});

const PING = `PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.

--- 127.0.0.1 ping statistics ---
100 packets transmitted, 98 received, 2% packet loss, time 276ms
rtt min/avg/max/mdev = 0.008/0.017/0.045/0.004 ms, pipe 2
`;

test("ping's average, and the bytes of all pings", () => {
  assert.equal(parsePing(PING), { average: 0.017, bytes: 198 * 84 });
});

test('pings of which none comes back are an error', () => {
  const lost = PING.replace('98 received', '0 received').replace(/rtt.*\n/, '');
  assert.is(failing(() => parsePing(lost)).message, 'ping: 100 packets transmitted, 0 received');
  assert.is(failing(() => parsePing('', 'ping: connect: Network is unreachable\n')).code, 'LAB_FAILED');
});

test('processor time of a process, whatever its name is', () => {
  const stat = (name: string) =>
    `4242 (${name}) S 1 4242 4242 0 -1 4194560 1000 0 0 0 250 125 7 9 20 0 11 0 1000 0 0`;
  assert.is(parseCpuSeconds(stat('node')), 3.75);
  assert.is(parseCpuSeconds(stat('a) R 1 2 (b')), 3.75);
});

test("peak memory is the kernel's, in MB", () => {
  const status = 'Name:\tnode\nVmPeak:\t  900000 kB\nVmHWM:\t  100000 kB\nVmRSS:\t   90000 kB\n';
  assert.is(parsePeakMemoryMB(status), 102.4);
  assert.is(parsePeakMemoryMB('Name:\tkthreadd\n'), 0);
});

test('several processes add up; one that has ended is an error', () => {
  assert.is(cpuSeconds([]), 0);
  assert.is(peakMemoryMB([]), 0);
  const own = peakMemoryMB([process.pid]);
  assert.ok(own > 10);
  assert.ok(peakMemoryMB([process.pid, process.pid]) >= 2 * own);
  assert.is(failing(() => cpuSeconds([2 ** 22 + 1])).code, 'LAB_FAILED');
});

test.run();
