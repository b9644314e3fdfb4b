/** What is answered without oclif, which takes several times as long to load as this takes. */
import { runStreamEnd, type StreamEndOptions } from '../lab/stream-end.js';
import { runTransferEnd, type TransferEndOptions } from '../lab/transfer-end.js';
import { answerVersion } from './version.js';

/**
 * Whether these arguments of a command line have been answered: `--version`, and the programs at the ends of the laboratory's
 * transfers, which it starts itself.
 */
export function answerDirectly(args: readonly string[]): boolean {
  const version = answerVersion(args);
  if (version !== undefined) {
    console.log(version);
    return true;
  }
  const [topic, end, options] = args;
  if (topic !== 'lab' || options === undefined) return false;
  if (end === 'transfer') runTransferEnd(JSON.parse(options) as TransferEndOptions);
  else if (end === 'stream') runStreamEnd(JSON.parse(options) as StreamEndOptions);
  else return false;
  return true;
}
