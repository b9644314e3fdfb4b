// SipHash-2-4, the tag of a relay packet: 16 bytes of header and up to 24 of payload.
import { PacketCore } from '../src/packet/core.js';
import { report } from './support/rounds.js';

const { exports } = new PacketCore();
/** Above all that the core itself uses. */
const KEY = 0xc000000;
const DATA = KEY + 64;

for (const size of [16, 40]) report(`SipHash-2-4 of ${size} bytes`, () => exports.sipHash24(KEY, DATA, size));
