export {
  City,
  type CityOptions,
  type CityPlan,
  type Configuration,
  GATEWAYS,
  type GatewayName,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  SERVER_NETWORK,
  type Site,
} from './city.js';
export { FAULTS, type Fault, injectFault, repairFault } from './fault.js';
export type { Gateway, GatewayIdentity, GatewaySite } from './gateway.js';
export type { Host, NetworkSnapshot } from './host.js';
export { type HostPlan, Lab, type LabPlan, type LinkPlan, labObstacle } from './lab.js';
export type { Direction } from './line/line.js';
export type { LaneCounters, LaneSettings, LinePlan } from './line/settings.js';
export type { Link } from './link.js';
export type { LabProcess } from './process.js';
export { ownProgram, type Program } from './self.js';
export { Stream, type StreamDirection } from './stream.js';
export { StrongSwan, strongSwanObstacle } from './strongswan.js';
export {
  type GatewayOptions,
  gatewayConfiguration,
  ROAD_WARRIOR,
  roadWarriorConfiguration,
} from './strongswan-config.js';
export { Transfer, type TransferResult } from './transfer.js';
export { Connection, startRelay, VpnrGateway } from './vpnr.js';
export { until } from './wait.js';
