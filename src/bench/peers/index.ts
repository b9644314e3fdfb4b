import type { Program } from '../../lab/index.js';
import { openvpn } from './openvpn.js';
import type { Peer, System } from './peer.js';
import { strongswan } from './strongswan.js';
import { veth } from './veth.js';
import { vpnr } from './vpnr.js';
import { wireguardGo } from './wireguard-go.js';

export {
  CLIENT_ADDRESS,
  GATEWAY_ADDRESS,
  INSIDE,
  type Peer,
  PREFIX_LENGTH,
  type Site,
  SYSTEMS,
  type System,
  type Tunnel,
} from './peer.js';

/** Every system's program; `program` runs vpnr itself. */
export function peerOf(system: System, program: Program): Peer {
  switch (system) {
    case 'vpnr':
      return vpnr(program, 'none');
    case 'vpnr-relay':
      return vpnr(program, 'clear');
    case 'vpnr-relay-sealed':
      return vpnr(program, 'sealed');
    case 'openvpn':
      return openvpn;
    case 'wireguard-go':
      return wireguardGo;
    case 'strongswan':
      return strongswan;
    case 'veth':
      return veth;
  }
}
