/** What is measured of a connection, a relay or a gateway, from its status and its events. */
import type { ConnectionStatus, GatewayStatus } from '../client/status.js';
import type { GatewayServiceStatus } from '../gateway/run.js';
import { counterIndices, isDrop } from '../packet/counters.js';
import type { Traffic } from '../packet/traffic.js';
import type { RelayServiceStatus } from '../relay/run.js';
import type { Tally } from './tally.js';
import { type Family, single } from './text.js';

/** The core's counters that are no drops. */
const COUNTERS: Readonly<Record<string, readonly [name: string, help: string]>> = {
  'tx-packets': ['sent_packets', 'Packets taken from the device and sent.'],
  'tx-bytes': ['sent_bytes', 'Bytes of packets taken from the device and sent.'],
  'rx-packets': ['received_packets', 'Packets received and given to the device.'],
  'rx-bytes': ['received_bytes', 'Bytes of packets received and given to the device.'],
  keepalives: ['keepalives', 'NAT keep-alives received.'],
  'probes-sent': ['sent_probes', 'Probes sent.'],
  'probe-replies': ['probe_replies', 'Answers to probes received.'],
  'session-moves': ['session_moves', 'Sessions that moved to another gateway.'],
  control: ['control_datagrams', 'IKE datagrams received.'],
  drains: ['drains', 'Requests of the relay to leave.'],
  replayed: ['replayed_packets', 'Packets sent again after a switch.'],
  'replay-overflows': ['replay_overflows', 'Packets that were not kept long enough to be sent again.'],
  'replay-blocks': [
    'replay_blocks',
    'Most blocks of 16 KiB that packets kept to be sent again have taken at once.',
  ],
  'second-packets': ['second_packets', 'Packets sent over a second path as well.'],
  'held-packets': ['held_packets', 'Packets that waited for the end of a switch.'],
  suspects: ['suspects', "The relay's words that it hears nothing."],
};

export function connectionFamilies(status: ConnectionStatus, tally: Tally): Family[] {
  const { name, failover, relay, gateways } = status;
  const each = (metric: string, help: string, value: (gateway: GatewayStatus) => number | boolean | null) =>
    ofGateways(metric, help, gateways, value);
  return [
    info({ role: 'client', name, mode: failover }),
    uptime(status),
    single('gauge', 'vpnr_connected', 'Whether packets can pass.', status.state === 'connected'),
    each(
      'vpnr_gateway_up',
      'Whether the tunnel to a configured gateway is up and answers.',
      ({ state }) => state === 'active' || state === 'standby',
    ),
    each(
      'vpnr_gateway_active',
      'Whether the gateway carries the traffic.',
      gateway => gateway.name === status.gateway,
    ),
    each(
      'vpnr_gateway_round_trip_seconds',
      'Smoothed round trip of the path through the gateway.',
      gateway => (gateway.roundTripMs === null ? null : gateway.roundTripMs / 1000),
    ),
    each('vpnr_gateway_probe_loss_ratio', 'Share of the probes that were lost lately.', ({ loss }) => loss),
    {
      ...each(
        'vpnr_gateway_failures_total',
        'Times the gateway failed or could not be connected.',
        ({ failures }) => failures,
      ),
      type: 'counter',
    },
    ...(relay === null
      ? []
      : [
          single(
            'gauge',
            'vpnr_relay_connected',
            'Whether the control connection to the relay is up.',
            relay.connected,
          ),
        ]),
    ...tally.failovers(),
    ...trafficFamilies(status.traffic),
  ];
}

/** `clients`: all that are configured. */
export function relayFamilies(
  status: RelayServiceStatus,
  clients: readonly string[],
  tally: Tally,
): Family[] {
  const { name, connections, sessions } = status;
  const up = new Set(sessions.filter(({ connected }) => connected).map(({ client }) => client));
  return [
    info({ role: 'relay', name }),
    uptime(status),
    single('gauge', 'vpnr_sessions', 'Sessions, each with an address that is leased to it.', sessions.length),
    draining(status),
    single('gauge', 'vpnr_control_connections', 'Control connections of clients.', connections),
    clientsUp(clients, up),
    tally.refusals(),
    ...trafficFamilies(status.traffic),
  ];
}

/** `clients`: identities of all that are configured. */
export function gatewayFamilies(
  status: GatewayServiceStatus,
  clients: readonly string[],
  tally: Tally,
): Family[] {
  const { name, halfOpen, cookies, refused } = status;
  const up = new Set(status.clients.map(({ client }) => client));
  return [
    info({ role: 'gateway', name }),
    uptime(status),
    single('gauge', 'vpnr_clients', 'Clients with a tunnel.', status.clients.length),
    draining(status),
    single('gauge', 'vpnr_half_open', 'IKE SAs whose client has not proved who it is.', halfOpen),
    single('gauge', 'vpnr_cookies_required', 'Whether initiators have to show cookies.', cookies),
    {
      name: 'vpnr_ike_refused_total',
      help: 'Failed authentications, half-open IKE SAs given up, and messages that belonged to nothing.',
      type: 'counter',
      samples: Object.entries(refused).map(([kind, value]) => ({
        labels: { kind: kind.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`) },
        value,
      })),
    },
    clientsUp(clients, up),
    tally.refusals(),
    ...trafficFamilies(status.traffic),
  ];
}

function trafficFamilies({ counters, drops }: Traffic): Family[] {
  const moved = Object.entries(COUNTERS).flatMap(([counter, [name, help]]) => {
    const value = counters[counter];
    return value === undefined ? [] : [single('counter', `vpnr_${name}_total`, help, value)];
  });
  const reasons = [...counterIndices].filter(([, index]) => isDrop(index)).map(([name]) => name);
  const dropped: Family = {
    name: 'vpnr_dropped_packets_total',
    help: 'Packets that were dropped.',
    type: 'counter',
    samples: reasons.map(reason => ({ labels: { reason }, value: drops[reason] ?? 0 })),
  };
  return [...moved, dropped];
}

/** What is not known of a gateway has no sample. */
function ofGateways(
  name: string,
  help: string,
  gateways: readonly GatewayStatus[],
  value: (gateway: GatewayStatus) => number | boolean | null,
): Family {
  const samples = gateways.flatMap(gateway => {
    const figure = value(gateway);
    return figure === null ? [] : [{ labels: { gateway: gateway.name }, value: Number(figure) }];
  });
  return { name, help, type: 'gauge', samples };
}

function clientsUp(clients: readonly string[], up: ReadonlySet<string>): Family {
  return {
    name: 'vpnr_client_up',
    help: 'Whether a configured client is connected.',
    type: 'gauge',
    samples: clients.map(client => ({ labels: { client }, value: up.has(client) ? 1 : 0 })),
  };
}

function info(labels: Record<string, string>): Family {
  return { name: 'vpnr_info', help: 'What this is.', type: 'gauge', samples: [{ labels, value: 1 }] };
}

function draining(status: { draining: boolean }): Family {
  return single('gauge', 'vpnr_draining', 'Whether the clients were asked to go elsewhere.', status.draining);
}

function uptime({ uptimeMs }: { uptimeMs: number }): Family {
  return single('gauge', 'vpnr_uptime_seconds', 'Time since the start.', uptimeMs / 1000);
}
