/** The packet core's only export list. */
export { aeadInstall, aeadOpen, aeadSeal, aeadWipe } from './aead';
export { checksum, fold, sumBytes, sumPseudoHeader4, sumPseudoHeader6, updateChecksum } from './checksum';
export { windowAccept, windowCheck, windowHighest, windowReset } from './duplicate';
export { checkPacket, locateTransport } from './ip';
export { clampMss } from './mss';
export { rewriteDestination, rewriteDestinationPort, rewriteSource, rewriteSourcePort } from './rewrite';
export { sipHash24 } from './siphash';
