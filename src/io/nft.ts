/** Tables of nftables that are vpnr's own, changed by the program `nft`. */
import { VpnrError } from '../errors.js';
import { runProgram } from './program.js';

const FAMILY = 'inet';

/**
 * Puts a table with this content (chains and sets, in nft's language) in the place of the one of before, if there is one. One
 * transaction: every packet meets the one or the other.
 */
export function replaceTable(table: string, content: string): Promise<void> {
  return changeNft(`${deletion(table)}table ${FAMILY} ${table} {\n${content}\n}\n`);
}

/** That it is gone already is no error. */
export function deleteTable(table: string): Promise<void> {
  return changeNft(deletion(table));
}

/** Throws what a change of a table would throw here, and changes nothing. */
export function tryNft(): Promise<void> {
  return changeNft(`table ${FAMILY} vpnr-check {\n}\n`, '--check');
}

/** Adding first spares the error of deleting what is not there. */
function deletion(table: string): string {
  return `add table ${FAMILY} ${table}\ndelete table ${FAMILY} ${table}\n`;
}

async function changeNft(script: string, ...flags: string[]): Promise<void> {
  const { code, stderr } = await runProgram('nft', [...flags, '-f', '-'], {
    input: script,
    package: 'nftables',
  });
  if (code === 0) return;
  const [reason = 'no reason given'] = stderr.trim().split('\n');
  if (/Operation not permitted/.test(stderr)) {
    throw new VpnrError('NOT_ROOT', `\`nft\` failed: ${reason}`, { remedy: 'run vpnr as root' });
  }
  throw new VpnrError('SYSTEM_CALL', `\`nft\` failed: ${reason}`, {
    remedy: 'see that the kernel has nf_tables: nft list tables',
  });
}
