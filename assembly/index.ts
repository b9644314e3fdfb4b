/** The packet core's only export list. */
export { aeadFinish, aeadInstall, aeadOpen, aeadSeal, aeadWipe } from './aead';
export { batchOffloads, messageSplit } from './batch';
export { checksum, fold, sumBytes, sumPseudoHeader4, sumPseudoHeader6, updateChecksum } from './checksum';
export { clientProbe, clientSwitchProbe } from './client_probe';
export { clientRebind } from './client_rebind';
export { clientReceive } from './client_receive';
export { clientRules, clientSecond } from './client_second';
export {
  clientAddress,
  clientBind,
  clientCredit,
  clientInit,
  clientMaxSegment,
  clientPath,
  clientRelay,
  clientRelayGone,
  clientUnbind,
} from './client_state';
export {
  clientActivate,
  clientReplay,
  clientResend,
  clientSwitchAgain,
  clientSwitchGiveUp,
  clientSwitchState,
} from './client_switch';
export { clientTransmit } from './client_transmit';
export { clockSet } from './clock';
export { deviceFirst, deviceLength, deviceNext, deviceRewind } from './device_in';
export { addToDevice, deviceClear, deviceFlush } from './device_out';
export {
  windowAccept,
  windowCheck,
  windowComplete,
  windowHas,
  windowHighest,
  windowReset,
} from './duplicate';
export { espOpen, espSeal } from './esp';
export { gatewayInit, gatewayReceive, gatewayTransmit } from './gateway';
export {
  gatewayPeerInstall,
  gatewayPeerMove,
  gatewayPeerRemove,
  gatewayPeerSend,
} from './gateway_peers';
export { checkPacket, locateTransport } from './ip';
export { staticEnd } from './layout';
export { clampMss } from './mss';
export {
  epochIsNewer,
  ipipDecapsulate,
  ipipEncapsulate,
  relayOpen,
  relayProtect,
  relayWrap,
} from './relay';
export { relayIsResending, relayResend, relaySessionReceived } from './relay_probes';
export {
  relayDrain,
  relayInit,
  relayReceive,
  relayReceiveIpip,
  relayReplay,
  relayTransmit,
} from './relay_server';
export { rewriteDestination, rewriteDestinationPort, rewriteSource, rewriteSourcePort } from './rewrite';
export { saInstall, saRemove } from './sa';
export { relaySessionInfo, relaySessionInstall, relaySessionRemove } from './sessions';
export { sipHash24 } from './siphash';
