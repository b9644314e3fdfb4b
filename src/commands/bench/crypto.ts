import { Flags } from '@oclif/core';
import { CRYPTO_SUITES } from '../../bench/crypto/packets.js';
import type { CryptoJson } from '../../bench/crypto/report.js';
import { benchCrypto, checkCrypto } from '../../bench/crypto/run.js';
import { BenchCommand } from '../../cli/bench.js';

export default class BenchCrypto extends BenchCommand {
  static override summary = 'How fast are the ciphers, beside node:crypto, @noble/ciphers and OpenSSL?';

  static override description =
    'Seals and opens packets of 64, 576, 1,400 and 9,000 bytes with every ESP suite, in the packet core and in the other ' +
    'implementations in turn. All results are first compared, to the byte. Takes about half a minute on one core.';

  static override examples = [
    '<%= config.bin %> bench crypto --report crypto.html',
    '<%= config.bin %> bench crypto --suite chacha20poly1305 --json',
    '<%= config.bin %> bench crypto --check   # compares only',
  ];

  static override flags = {
    suite: Flags.option({
      options: CRYPTO_SUITES,
      multiple: true,
      description: 'only this one; may be repeated; all unless given',
    })(),
    check: Flags.boolean({
      exclusive: ['report', 'quick'],
      description: 'only compare the results, at more sizes; the exit status is 1 when they differ',
    }),
  };

  async run(): Promise<CryptoJson | Awaited<ReturnType<typeof checkCrypto>> | undefined> {
    const { flags } = await this.parse(BenchCrypto);
    const options = { suites: flags.suite ?? [] };
    if (!flags.check) return this.measure(flags, context => benchCrypto(context, options));
    const checked = await this.watch(flags, context => checkCrypto(context, options));
    for (const suite of checked?.suites ?? []) {
      this.log(`equal  ${suite}: WASM, node:crypto and @noble/ciphers, ${checked?.sizes.length} sizes`);
    }
    return checked;
  }
}
