import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NEEDED, neededCapabilities } from '../../src/service/capabilities.js';
import { templateText } from '../../src/service/unit.js';

test('a folder of the own is written to without further rights, also one that is not there yet', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-rights-'));
  try {
    assert.equal(neededCapabilities('client', [folder, join(folder, 'not', 'yet')]), NEEDED.client);
    if (process.geteuid?.() !== 0) return;
    const home = join(folder, 'home');
    mkdirSync(home);
    chownSync(home, 12_345, 12_345);
    assert.equal(neededCapabilities('relay', [folder, join(home, 'not-yet')]), [
      ...NEEDED.relay,
      'CAP_DAC_OVERRIDE',
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a unit has the same rights as what is started by hand', () => {
  for (const role of ['client', 'relay', 'gateway'] as const)
    assert.ok(templateText(role).includes(`\nCapabilityBoundingSet=${NEEDED[role].join(' ')}\n`));
});

test.run();
