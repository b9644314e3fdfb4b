import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { VpnrError } from '../../src/errors.js';
import { readAuthority } from '../../src/relay/trust.js';
import { makeCertificates } from './certificates.js';

test("a file without a certificate is no relay's authority", () => {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-authority-'));
  try {
    const path = join(folder, 'ca.crt');
    const { authority } = makeCertificates();
    writeFileSync(path, authority);
    assert.is(readAuthority(path), authority);
    for (const content of ['', '\n', 'nonsense', authority.slice(0, authority.length / 2)]) {
      writeFileSync(path, content);
      assert.throws(
        () => readAuthority(path),
        ({ code, message }: VpnrError) => code === 'CERTIFICATE_INVALID' && message.includes(path),
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
