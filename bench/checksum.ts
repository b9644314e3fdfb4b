// The Internet checksum, and its incremental update when an address is translated.
import { SCRATCH } from '../src/packet/abi.js';
import { PacketCore } from '../src/packet/core.js';
import { report } from './support/rounds.js';

const { exports, bytes } = new PacketCore();
/** Above all that the core itself uses. */
const DATA = 0xc000000;
const SIZES = [20, 64, 576, 1400, 9000, 65_535];

bytes.fill(0xa5, DATA, DATA + 65_536);
for (const size of SIZES) report(`checksum of ${size} bytes`, () => exports.checksum(DATA, size), size);
// An IPv4 packet with UDP in it.
bytes.set([0x45, 0, 0, 64, 0, 0, 0, 0, 64, 17], DATA);
report('source address of a UDP packet replaced', () => exports.rewriteSource(DATA, 64, SCRATCH));
