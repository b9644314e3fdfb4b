import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writePage } from '../../src/demo/page.js';
import { Recording } from '../../src/demo/recording.js';
import { type DemoResult, describeResult } from '../../src/demo/result.js';

const SURVIVED: DemoResult = {
  survived: true,
  fault: 'kill',
  detectMs: 251,
  switchMs: 75,
  pauseMs: 390,
  bytes: 86_900_000,
  digestOk: true,
  resets: 0,
  broken: null,
  address: '10.30.200.2',
  reason: 'probes',
  kind: 'vpnr',
  gateways: [
    { name: 'tokyo', state: 'failed', roundTripMs: 13.2, bytes: 43_000_000 },
    { name: 'yokohama', state: 'active', roundTripMs: 12.6, bytes: 43_900_000 },
    { name: 'fukuoka', state: 'spare', roundTripMs: 32, bytes: 0 },
  ],
  paper: { recoveryMs: 3900 },
  totalMs: 12_800,
};

const BROKEN: DemoResult = {
  ...SURVIVED,
  survived: false,
  switchMs: null,
  pauseMs: null,
  digestOk: false,
  resets: 1,
  broken: 'ECONNRESET',
};

test('a survived failure is told with its figures', () => {
  const text = describeResult(SURVIVED).join('\n');
  assert.match(text, 'The TCP download survived: tokyo was killed (SIGKILL), and yokohama took over.');
  assert.match(text, /detected in +251 ms/);
  assert.match(text, /switched in +75 ms/);
  assert.match(
    text,
    /longest pause +390 ms of the TCP connection\n +in the paper +3900 ms \(2012\), 10.0 times as long/,
  );
  for (const line of text.split('\n')) assert.ok(line.length < 100, line);
  assert.match(text, /86.9 MB, bit for bit/);
  assert.match(text, /resets +0/);
});

test('a failure that was not survived says how it ended', () => {
  assert.match(
    describeResult(BROKEN).join(''),
    /NOT survive: tokyo was killed .*noticed after 251 ms; .*\(ECONNRESET\)/,
  );
  const unnoticed = { ...BROKEN, detectMs: null, broken: null };
  assert.match(
    describeResult(unnoticed).join(''),
    'which vpnr did not notice; what arrived is not what was sent',
  );
  assert.match(describeResult({ ...unnoticed, digestOk: true }).join(''), 'no other gateway took over');
});

test('the page needs nothing from elsewhere, and its text is escaped', () => {
  const recording = new Recording();
  recording.carries(0, 'tokyo');
  for (let ms = 0; ms <= 5000; ms += 50) recording.sample(ms, ms * 10_000);
  recording.moments.push({ ms: 3000, text: 'tokyo <b>&"quoted"', kind: 'fault' });
  for (const result of [SURVIVED, BROKEN]) {
    const page = writePage(result, recording);
    assert.match(page, /^<!doctype html>/);
    assert.match(page, 'tokyo &lt;b&gt;&amp;&quot;quoted&quot;');
    assert.not.match(page, /<b>|NaN|undefined|Infinity/);
    assert.not.match(page, /(src|href)=|url\(|@import/);
    assert.match(page, /<path fill="#1f77b4" d="M/);
  }
});

test('a page without any sample is a page', () => {
  assert.not.match(writePage(BROKEN, new Recording()), /NaN|undefined|Infinity/);
});

test.run();
