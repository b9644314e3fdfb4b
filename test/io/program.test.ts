import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runProgram } from '../../src/io/program.js';

test('a program gets nothing of the environment but what it needs', async () => {
  process.env.VPNR_TEST_SECRET = 'a secret';
  const { stdout } = await runProgram('env', [], { package: 'coreutils' });
  const names = stdout.split('\n').flatMap(line => line.match(/^\w+(?==)/) ?? []);
  assert.ok(names.includes('LC_ALL'));
  assert.equal(
    names.filter(name => !['PATH', 'LC_ALL', 'DBUS_SYSTEM_BUS_ADDRESS'].includes(name)),
    [],
  );
  delete process.env.VPNR_TEST_SECRET;
});

test.run();
