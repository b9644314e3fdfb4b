import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { onSmallDisk, smallDiskObstacle } from '../support/small-disk.js';

const MODULES = {
  '{ setResolvConf, putBackResolvConf }': '../../src/io/resolv-conf.js',
  '{ readdirSync, readFileSync, writeFileSync }': 'node:fs',
  '{ execFileSync }': 'node:child_process',
};
const SCENE = `
  const file = DISK + '/resolv.conf';
  const search = Array.from({ length: 300 }, (_, number) => 'department-' + number + '.example.com');
  writeFileSync(file, 'nameserver 192.0.2.53\\n');
  const say = (...values) => console.log(...values, readdirSync(DISK).join(' '), JSON.stringify(readFileSync(file, 'utf8')));
  const set = servers => {
    try { return setResolvConf('work', servers, file); } catch (error) { return error.code; }
  };
`;
const AS_BEFORE = 'resolv.conf "nameserver 192.0.2.53\\n"';

test('without room the file stays as it was, and nothing stands beside it', () => {
  const obstacle = smallDiskObstacle();
  if (obstacle !== undefined) return console.log(`# skipped 1: ${obstacle}`);
  const said = onSmallDisk(
    2,
    MODULES,
    `${SCENE}
    say(set({ servers: ['10.20.0.53'], search }));
    say(set({ servers: ['10.20.0.53'], search: [] }));
    putBackResolvConf('work', file);
    say();`,
  ).split('\n');
  assert.is(said[0], `SYSTEM_CALL ${AS_BEFORE}`);
  assert.match(
    said[1] ?? '',
    /^true resolv\.conf resolv\.conf\.before-vpnr-work ".*nameserver 10\.20\.0\.53\\n"$/,
  );
  assert.is(said[2], AS_BEFORE);
});

test('the same where it is a mount of its own, as in containers, and can only be written over', () => {
  const obstacle = smallDiskObstacle();
  if (obstacle !== undefined) return console.log(`# skipped 1: ${obstacle}`);
  const said = onSmallDisk(
    4,
    MODULES,
    `${SCENE}
    execFileSync('mount', ['--bind', file, file]);
    say(set({ servers: ['10.20.0.53'], search }));
    say(set({ servers: ['10.20.0.53'], search: [] }));
    putBackResolvConf('work', file);
    say();`,
  ).split('\n');
  assert.is(said[0], `SYSTEM_CALL ${AS_BEFORE}`);
  assert.match(said[1] ?? '', /nameserver 10\.20\.0\.53\\n"$/);
  assert.is(said[2], AS_BEFORE);
});

test.run();
