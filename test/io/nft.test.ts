import { execFileSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VpnrError } from '../../src/errors.js';
import { tryNft } from '../../src/io/nft.js';
import { findProgram } from '../../src/lab/command.js';

test('without nft it is told which package has it', async () => {
  const { PATH } = process.env;
  process.env.PATH = '/nowhere';
  try {
    await tryNft();
    assert.unreachable();
  } catch (error) {
    assert.instance(error, VpnrError);
    assert.is((error as VpnrError).code, 'MISSING_PROGRAM');
    assert.match((error as VpnrError).remedy ?? '', /nftables/);
  } finally {
    process.env.PATH = PATH;
  }
});

if (process.geteuid?.() === 0 && findProgram('nft') !== undefined) {
  test('trying nft changes nothing', async () => {
    const rules = () => execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' });
    const before = rules();
    await tryNft();
    assert.is(rules(), before);
  });
} else console.log('# skipped 1: needs root and nft');

test.run();
