/** Events and status as text for people. */
import type { ConnectionEvent } from '../client/events.js';
import type { ConnectionStatus, GatewayStatus } from '../client/status.js';
import type { FailureReason, MoveCause } from '../failover/actions.js';
import type { GatewayServiceStatus } from '../gateway/run.js';
import type { RelayServiceStatus } from '../relay/run.js';
import type { RelayEvent } from '../relay/server-api.js';
import { describeGateway } from './render-gateway.js';
import {
  count,
  describeOffloads,
  describeReloaded,
  describeRights,
  describeTraffic,
  formatDuration,
} from './text.js';

export type AnyStatus = ConnectionStatus | RelayServiceStatus | GatewayServiceStatus;

const REASONS: Record<FailureReason, string> = {
  gateway: 'it does not answer any more',
  path: 'it answers, but what is behind it does not',
  'path-outbound': 'what is sent through it is lost',
  'path-inbound': 'what should come back through it is lost',
  relay: 'the relay does not answer by any gateway',
  network: 'nobody answers: this machine may have lost its network',
  link: 'the interface to it is down',
  'closed-by-gateway': 'it closed the tunnel',
  'relay-unreachable': 'the relay cannot be reached through it',
  ike: 'IKE failed',
};

const CAUSES: Record<MoveCause, string> = {
  start: '',
  failure: '',
  failback: ', which is preferred',
  latency: ', which is faster',
  loss: ', which loses less',
  drain: ', as the former asked its clients to leave',
  operator: ', as the operator wished',
};

/** One event as one line, without time. */
export function describeEvent(event: ConnectionEvent): string {
  switch (event.event) {
    case 'connecting':
      return `connecting to ${event.gateway} (${event.address})`;
    case 'tunnel-up':
      return `tunnel to ${event.gateway} is up in ${event.ms} ms, virtual address ${event.virtualAddress}`;
    case 'connect-failed':
      return `${event.gateway}: ${event.code}: ${event.message}`;
    case 'relay-session':
      return `relay session ${event.keys === 'kept' ? 'goes on' : 'is up'} through ${event.gateway} after ${event.ms} ms, address ${event.lease}`;
    case 'relay-drain':
      return 'the relay is about to stop';
    case 'relay-lost':
      return `control connection to the relay is lost: ${event.message}`;
    case 'connected':
      return `connected through ${event.gateway} in ${event.ms} ms: ${event.device} has ${event.address}, MTU ${event.mtu}`;
    case 'gateway-failed':
      return `${event.gateway} failed: ${REASONS[event.reason]}, silent for ${event.ms} ms`;
    case 'standby-failed':
      return `${event.gateway}, which is on standby, failed: ${REASONS[event.reason]}`;
    case 'stuck':
      return `no answer by any gateway: ${REASONS[event.reason]}, silent for ${event.ms} ms`;
    case 'blame':
      return `${event.gateway}: ${REASONS[event.reason]}`;
    case 'drain':
      return `${event.gateway} is about to stop`;
    case 'resumed':
      return `the machine slept for ${formatDuration(event.ms)}`;
    case 'recovered':
      return `${event.gateway} answers again`;
    case 'switched':
      return `switched from ${event.from} to ${event.gateway} in ${event.ms} ms${CAUSES[event.cause]}`;
    case 'waiting':
      return `no gateway can be connected; next attempt in ${formatDuration(event.ms)}`;
    case 'address-changed':
      return `the address changed from ${event.previous} to ${event.address}`;
    case 'notice':
      return event.message;
    case 'disconnecting':
      return `disconnecting (${event.reason})`;
    case 'disconnected':
      return `disconnected, everything is put back`;
  }
}

export function describeRelayEvent(event: RelayEvent): string {
  switch (event.type) {
    case 'listening':
      return `listening on ${event.address}, port ${event.port} (TCP and UDP); certificate ${event.fingerprint}`;
    case 'session-opened':
      return `${event.client} from ${event.from} has a new session, address ${event.lease}`;
    case 'session-resumed':
      return `${event.client} from ${event.from} goes on with its session, address ${event.lease}, keys ${event.keys}`;
    case 'session-left':
      return `${event.client} said goodbye; ${event.lease} is kept for it`;
    case 'session-moved':
      return `${event.client} (${event.lease}) is reached by way of ${event.path.address} now, epoch ${event.epoch}`;
    case 'session-ended':
      return `the session of ${event.client} is over; ${event.lease} is free again`;
    case 'draining':
      return `about to stop; ${count(event.told, 'client knows', 'clients know')} of it, and nobody new is taken`;
    case 'client-refused':
      return `${event.client} from ${event.from} was refused: ${event.code}: ${event.message}`;
    case 'reloaded':
      return `the list of clients was read anew; ${describeReloaded(event)}`;
    case 'notice':
      return event.message;
    case 'failed':
      return `${event.error.code}: ${event.error.message}`;
  }
}

export function describeStatus(status: AnyStatus): string {
  switch (status.role) {
    case 'client':
      return describeConnection(status);
    case 'relay':
      return describeRelay(status);
    case 'gateway':
      return describeGateway(status);
  }
}

function describeRelay(status: RelayServiceStatus): string {
  const { name, listen, device, pool, fingerprint, connections, sessions, uptimeMs, traffic } = status;
  return [
    `${name}: relay on ${listen}${status.draining ? ', drained' : ''}, up ${formatDuration(uptimeMs)}, ${count(connections, 'control connection', 'control connections')}`,
    `  device    ${device}, pool ${pool}`,
    `  certificate ${fingerprint}`,
    ...sessions.map(
      ({ client, lease, connected, mode, idleMs }) =>
        `  session   ${lease}  ${client}  ${mode ?? 'not resumed yet'}  ${connected ? 'connected' : `idle for ${formatDuration(idleMs)}`}`,
    ),
    describeRights(status.capabilities),
    describeOffloads(status.offloads),
    ...describeTraffic(traffic),
  ].join('\n');
}

function describeConnection(status: ConnectionStatus): string {
  const via = status.gateway === null ? '' : ` through ${status.gateway}`;
  const lines = [
    `${status.name}: ${status.state}${via}, up ${formatDuration(status.uptimeMs)}, ${count(status.switches, 'switch', 'switches')}`,
    `  device    ${status.device} ${status.address ?? '(no address yet)'} MTU ${status.mtu}`,
    `  failover  ${status.failover}, ${describeKillSwitch(status)}`,
  ];
  if (status.relay !== null) {
    const { address, mode, lease, connected } = status.relay;
    const control = connected ? 'control connection up' : 'no control connection';
    lines.push(`  relay     ${address} ${mode}, address ${lease ?? '(none yet)'}, ${control}`);
  }
  const width = Math.max(...status.gateways.map(gateway => gateway.name.length));
  for (const gateway of status.gateways) lines.push(`  gateway   ${describePath(gateway, width)}`);
  lines.push(describeRights(status.capabilities), describeOffloads(status.offloads));
  lines.push(...describeTraffic(status.traffic));
  return lines.join('\n');
}

export function describeKillSwitch({ killSwitch }: ConnectionStatus): string {
  return `kill switch ${killSwitch ? 'on' : 'off'}`;
}

function describePath(gateway: GatewayStatus, width: number): string {
  const parts = [gateway.name.padEnd(width), gateway.state.padEnd(10), gateway.address];
  if (gateway.roundTripMs !== null) parts.push(`${gateway.roundTripMs.toFixed(2)} ms`);
  if (gateway.loss !== null && gateway.loss >= 0.01) parts.push(`${(gateway.loss * 100).toFixed(0)} % lost`);
  if (gateway.failures > 0) parts.push(count(gateway.failures, 'failure', 'failures'));
  if (gateway.lastError !== null && gateway.state !== 'active') parts.push(`(${gateway.lastError})`);
  return parts.join('  ');
}
