// What configuration payloads mean: RFC 7296 section 3.15, for IPv6 its section 3.15.3, for domains RFC 8598.
import { addressBytes, addressNumber, addressText, numberAddress } from '../address.js';
import type { AssignedConfiguration } from './api.js';
import { concat } from './bytes.js';
import { CfgAttributeType, CfgType } from './constants.js';
import type { ConfigurationAttribute, CpPayload } from './payloads/cp.js';
import { parseCidr } from './selectors.js';
import { IkeSyntaxError } from './syntax.js';

const EMPTY = new Uint8Array(0);
const SINGLE_IPV6 = 128;
/** A domain name in presentation format, of labels that need no escapes (RFC 1035 section 2.3.1, and "_"). */
const DOMAIN = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/i;

/** What an initiator asks for. */
export interface ConfigurationRequest {
  /** Addresses wanted again, at most one of each family is of use. */
  addresses: string[];
  /** Families in which an address is wanted. */
  families: (4 | 6)[];
}

/** CFG_REQUEST for an address of each family, with name servers and networks. */
export function configurationRequest({ addresses, families }: ConfigurationRequest): CpPayload {
  const attributes: ConfigurationAttribute[] = [];
  for (const family of families) {
    const wanted = addresses.map(addressBytes).find(bytes => (bytes.length === 4) === (family === 4));
    attributes.push(addressAttribute(family, wanted), ...requestAttributes(family));
  }
  attributes.push({ type: CfgAttributeType.INTERNAL_DNS_DOMAIN, value: EMPTY });
  return { type: 'CP', cfgType: CfgType.REQUEST, attributes };
}

function requestAttributes(family: 4 | 6): ConfigurationAttribute[] {
  const types =
    family === 4
      ? [CfgAttributeType.INTERNAL_IP4_DNS, CfgAttributeType.INTERNAL_IP4_SUBNET]
      : [CfgAttributeType.INTERNAL_IP6_DNS, CfgAttributeType.INTERNAL_IP6_SUBNET];
  return types.map(type => ({ type, value: EMPTY }));
}

function addressAttribute(family: 4 | 6, address: Uint8Array | undefined): ConfigurationAttribute {
  if (family === 4) return { type: CfgAttributeType.INTERNAL_IP4_ADDRESS, value: address ?? EMPTY };
  const value = address === undefined ? EMPTY : concat(address, Uint8Array.of(SINGLE_IPV6));
  return { type: CfgAttributeType.INTERNAL_IP6_ADDRESS, value };
}

/** CFG_REPLY of a responder. Domains are for those who ask for them (RFC 8598 section 3.2). */
export function configurationReply(
  { addresses, dns, domains, subnets }: AssignedConfiguration,
  request: CpPayload,
): CpPayload {
  const wantsDomains = request.attributes.some(({ type }) => type === CfgAttributeType.INTERNAL_DNS_DOMAIN);
  const attributes = [
    ...addresses.map(addressBytes).map(bytes => addressAttribute(bytes.length === 4 ? 4 : 6, bytes)),
    ...dns.map(addressBytes).map(value => ({
      type: value.length === 4 ? CfgAttributeType.INTERNAL_IP4_DNS : CfgAttributeType.INTERNAL_IP6_DNS,
      value,
    })),
    ...(wantsDomains ? domains : []).map(domain => ({
      type: CfgAttributeType.INTERNAL_DNS_DOMAIN,
      value: Buffer.from(domain, 'ascii'),
    })),
    ...subnets.map(subnetAttribute),
  ];
  return { type: 'CP', cfgType: CfgType.REPLY, attributes };
}

function subnetAttribute(cidr: string): ConfigurationAttribute {
  const { address, prefix } = parseCidr(cidr);
  if (address.length === 16) {
    return { type: CfgAttributeType.INTERNAL_IP6_SUBNET, value: concat(address, Uint8Array.of(prefix)) };
  }
  const mask = numberAddress((0xffffffffn << BigInt(32 - prefix)) & 0xffffffffn, 4);
  return { type: CfgAttributeType.INTERNAL_IP4_SUBNET, value: concat(address, mask) };
}

/**
 * What a CFG_REPLY assigns. Attributes of other types, empty ones and what cannot be a domain are ignored. A value of the wrong length throws
 * `IkeSyntaxError`, with `authenticated` set: configuration payloads come inside of an Encrypted payload only.
 */
export function readConfiguration(payload: CpPayload): AssignedConfiguration {
  const configuration: AssignedConfiguration = { addresses: [], dns: [], domains: [], subnets: [] };
  for (const attribute of payload.attributes) {
    if (attribute.value.length > 0) readAttribute(configuration, attribute);
  }
  return configuration;
}

function readAttribute(into: AssignedConfiguration, { type, value }: ConfigurationAttribute): void {
  switch (type) {
    case CfgAttributeType.INTERNAL_IP4_ADDRESS:
      into.addresses.push(addressText(sized(value, 4)));
      break;
    case CfgAttributeType.INTERNAL_IP6_ADDRESS:
      into.addresses.push(addressText(ipv6WithPrefix(value).address));
      break;
    case CfgAttributeType.INTERNAL_IP4_DNS:
      into.dns.push(addressText(sized(value, 4)));
      break;
    case CfgAttributeType.INTERNAL_IP6_DNS:
      into.dns.push(addressText(sized(value, 16)));
      break;
    case CfgAttributeType.INTERNAL_DNS_DOMAIN: {
      const domain = Buffer.from(value).toString('latin1').replace(/\.$/, '');
      if (DOMAIN.test(domain)) into.domains.push(domain);
      break;
    }
    case CfgAttributeType.INTERNAL_IP4_SUBNET:
      into.subnets.push(ipv4Subnet(sized(value, 8)));
      break;
    case CfgAttributeType.INTERNAL_IP6_SUBNET: {
      const { address, prefix } = ipv6WithPrefix(value);
      into.subnets.push(`${addressText(address)}/${prefix}`);
      break;
    }
  }
}

/** The family of an address that a host may have; undefined for all others: unspecified, loopback, multicast, reserved. */
export function hostFamily(address: string): 4 | 6 | undefined {
  const bytes = addressBytes(address);
  const [first = 0] = bytes;
  if (bytes.length === 4) return first > 0 && first < 224 && first !== 127 ? 4 : undefined;
  // ::/8 has the unspecified address, loopback and IPv4 in other dress (RFC 4291 section 2.5), fe00::/8 link-local addresses.
  return first > 0 && first < 0xfe ? 6 : undefined;
}

/** What a CFG_REQUEST asks for. Errors as in `readConfiguration`. */
export function readConfigurationRequest(payload: CpPayload): ConfigurationRequest {
  const types = new Set(payload.attributes.map(({ type }) => type));
  const families: (4 | 6)[] = [];
  if (types.has(CfgAttributeType.INTERNAL_IP4_ADDRESS)) families.push(4);
  if (types.has(CfgAttributeType.INTERNAL_IP6_ADDRESS)) families.push(6);
  return { families, addresses: readConfiguration(payload).addresses };
}

function sized(value: Uint8Array, size: number): Uint8Array {
  if (value.length !== size) return malformed(`a value of ${value.length} bytes instead of ${size}`);
  return value;
}

function ipv6WithPrefix(value: Uint8Array): { address: Uint8Array; prefix: number } {
  const prefix = sized(value, 17)[16] as number;
  if (prefix > SINGLE_IPV6) malformed(`prefix length ${prefix}`);
  return { address: value.subarray(0, 16), prefix };
}

/** Address and mask; the mask must be ones followed by zeros. */
function ipv4Subnet(value: Uint8Array): string {
  const mask = addressNumber(value.subarray(4));
  const host = mask ^ 0xffffffffn;
  if ((host & (host + 1n)) !== 0n) malformed(`netmask ${addressText(value.subarray(4))}`);
  const prefix = 32 - host.toString(2).replace(/^0$/, '').length;
  return `${addressText(value.subarray(0, 4))}/${prefix}`;
}

function malformed(problem: string): never {
  throw new IkeSyntaxError(`Configuration payload: ${problem}`, 'malformed', true);
}
