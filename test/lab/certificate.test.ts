import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCertificate, makeSecret } from '../../src/lab/certificate.js';

function withFolder(body: (folder: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vpnr-certificate-'));
    try {
      await body(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

test(
  'a certificate is its own issuer, fits its key and is valid now',
  withFolder(folder => {
    const files = { certificate: join(folder, 'a.crt'), key: join(folder, 'a.key') };
    const fingerprint = makeCertificate(files, 'relay.example.net');
    const certificate = new X509Certificate(readFileSync(files.certificate));
    assert.is(certificate.subject, 'CN=relay.example.net');
    assert.is(certificate.issuer, certificate.subject);
    assert.ok(certificate.verify(certificate.publicKey));
    assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(files.key))));
    assert.ok(Date.parse(certificate.validFrom) < Date.now());
    assert.ok(Date.parse(certificate.validTo) > Date.now() + 86_400_000);
    assert.is(fingerprint, `sha256:${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`);
    assert.is(statSync(files.key).mode & 0o777, 0o600);
    assert.not.equal(makeCertificate(files, 'relay.example.net'), fingerprint);
  }),
);

test(
  'a TLS server takes it',
  withFolder(async folder => {
    const files = { certificate: join(folder, 'a.crt'), key: join(folder, 'a.key') };
    const fingerprint = makeCertificate(files, 'relay.example.net');
    const server = createServer({ cert: readFileSync(files.certificate), key: readFileSync(files.key) });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const socket = await new Promise<TLSSocket>((resolve, reject) => {
      const client = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => resolve(client));
      client.on('error', reject);
    });
    const seen = socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '').toLowerCase();
    socket.destroy();
    server.close();
    assert.is(`sha256:${seen}`, fingerprint);
  }),
);

test(
  'a secret is the same in all files, and nobody else can read it',
  withFolder(folder => {
    const files = [join(folder, 'a'), join(folder, 'b')];
    const secret = makeSecret(...files);
    for (const file of files) {
      assert.is(readFileSync(file, 'utf8'), `${secret}\n`);
      assert.is(statSync(file).mode & 0o777, 0o600);
    }
    assert.not.equal(makeSecret(), secret);
  }),
);

test.run();
