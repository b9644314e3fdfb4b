/** What is answered without oclif, which takes several times as long to load as this takes. */
import type { StreamEndOptions } from '../lab/stream-end.js';
import type { TransferEndOptions } from '../lab/transfer-end.js';

const ASKING_VERSION = ['--version', '-v', 'version'];

/**
 * Whether these arguments of a command line have been answered: `--version`, and the programs at the ends of the laboratory's
 * transfers, which it starts itself.
 */
export async function answerDirectly(args: readonly string[]): Promise<boolean> {
  const [first = '', end, options] = args;
  if (first === '--json' || ASKING_VERSION.includes(first)) {
    const { answerVersion } = await import('./version.js');
    const version = answerVersion(args);
    if (version === undefined) return false;
    console.log(version);
    return true;
  }
  if (first !== 'lab' || options === undefined) return false;
  if (end === 'transfer') {
    const { runTransferEnd } = await import('../lab/transfer-end.js');
    runTransferEnd(JSON.parse(options) as TransferEndOptions);
  } else if (end === 'stream') {
    const { runStreamEnd } = await import('../lab/stream-end.js');
    runStreamEnd(JSON.parse(options) as StreamEndOptions);
  } else return false;
  return true;
}
