/** A gateway's events and status as text for people. */
import type { GatewayServiceStatus } from '../gateway/run.js';
import type { ClientStatus, GatewayEvent } from '../gateway/server-api.js';
import {
  count,
  describeOffloads,
  describeReloaded,
  describeRights,
  describeTraffic,
  formatDuration,
} from './text.js';

export function describeGatewayEvent(event: GatewayEvent): string {
  switch (event.type) {
    case 'listening':
      return `${event.identity} listens on ${event.address}, UDP port ${event.port}; pool ${event.pool}`;
    case 'client-connected':
      return `${event.client} from ${event.from} is connected, address ${event.address}`;
    case 'client-moved':
      return `${event.client} (${event.address}) is reached at ${event.from} now`;
    case 'client-left':
      return `${event.client} (${event.address}) has left: ${event.message}`;
    case 'client-refused':
      return `${event.client} from ${event.from} was refused: ${event.code}: ${event.message}`;
    case 'cookies':
      return event.required
        ? `${event.halfOpen} half-open connections: initiators have to show cookies now`
        : 'initiators need no cookies any more';
    case 'reloaded':
      return `the list of clients was read anew; ${describeReloaded(event)}`;
    case 'notice':
      return event.message;
    case 'failed':
      return `${event.error.code}: ${event.error.message}`;
  }
}

export function describeGateway(status: GatewayServiceStatus): string {
  const { name, identity, listen, device, pool, networks, clients, halfOpen, uptimeMs, traffic } = status;
  return [
    `${name}: gateway ${identity} on ${listen}${status.draining ? ', drained' : ''}, up ${formatDuration(uptimeMs)}, ${count(clients.length, 'client', 'clients')}, ${halfOpen} half-open`,
    `  device    ${device}, pool ${pool}, networks ${networks.join(', ')}`,
    ...clients.map(describeClient),
    describeRights(status.capabilities),
    describeOffloads(status.offloads),
    ...describeTraffic(traffic),
  ].join('\n');
}

function describeClient({ client, address, from, idleMs, rekeys }: ClientStatus): string {
  const renewed = `keys renewed ${rekeys.ike} + ${rekeys.child} times`;
  return `  client    ${address ?? '(no tunnel)'}  ${client}  from ${from}  heard ${formatDuration(idleMs)} ago  ${renewed}`;
}
