/** The kinds of values that configuration files hold: text in, checked values out. */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import * as z from 'zod';
import type { DhGroup, EspSuite, IkeEncryption, IkeProposal, Prf } from '../ike/api.js';
import { type Prefix, parsePrefix } from '../prefix.js';
import { LONGEST_PREFIX, SHORTEST_PREFIX } from '../service/pool.js';

/** An object that names its allowed keys when it meets another one. */
export function section<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: issue =>
      issue.code === 'unrecognized_keys'
        ? `unknown key ${issue.keys.map(key => `"${key}"`).join(', ')}; expected one of ${Object.keys(shape).join(', ')}`
        : issue.code === 'invalid_type' && issue.input !== undefined
          ? `expected a section with the keys ${Object.keys(shape).join(', ')}`
          : undefined,
  });
}

/** One of a list of words. */
export function word<const Words extends readonly [string, ...string[]]>(...words: Words) {
  return z.enum(words, { error: `expected one of ${words.join(', ')}` });
}

/** A name for people and for file names: letters, digits, dot, dash, underscore. */
export const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
  error:
    'expected a name of letters, digits, ".", "-" and "_", at most 63, that begins with a letter or digit',
});

/** What a client or a gateway is called in IKE and by the relay, such as client1, carol@example.net or an address. */
export const identity = z
  .string()
  .min(1, { error: 'expected an identity such as client1' })
  .max(255, { error: 'expected an identity of at most 255 characters' })
  .regex(/^\P{C}*$/u, { error: 'expected an identity without control characters' });

/** An interface name as Linux allows it (at most 15 bytes). */
export const deviceName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/, {
  error: 'expected a device name of at most 15 letters, digits, ".", "-" and "_"',
});

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const DURATION = 'expected a duration such as 25ms, 3s, 10m or 2h';

/** A duration such as `25ms`, `3s` or `2h`, in milliseconds. */
export const duration = z.string({ error: DURATION }).transform((text, context) => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) {
    context.addIssue({ code: 'custom', message: DURATION });
    return z.NEVER;
  }
  return Number(match[1]) * (UNITS[match[2]] ?? 1);
});

/** A duration between two bounds, in milliseconds. */
export function durationBetween(lowest: number, highest: number, label: string) {
  return duration.refine(value => value >= lowest && value <= highest, {
    error: `expected a duration ${label}`,
  });
}

const BYTES: Record<string, number> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** An amount of memory such as `4MiB`, in bytes, between two bounds. */
export function bytesBetween(lowest: number, highest: number, label: string) {
  const expected = `expected a size such as 512KiB or 4MiB, ${label}`;
  return z.string({ error: expected }).transform((text, context) => {
    const match = /^(\d+)(KiB|MiB|GiB)$/.exec(text);
    const bytes = Number(match?.[1]) * (BYTES[match?.[2] ?? ''] ?? Number.NaN);
    if (bytes >= lowest && bytes <= highest) return bytes;
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
}

/** Differentiated services code points by name (RFC 2474, 2597, 3246, 5865, 8622); the classes AFxy follow a formula. */
const DSCP: Record<string, number> = { be: 0, le: 1, 'voice-admit': 44, ef: 46 };
for (let group = 0; group < 8; group++) DSCP[`cs${group}`] = 8 * group;
for (let group = 1; group <= 4; group++)
  for (let drop = 1; drop <= 3; drop++) DSCP[`af${group}${drop}`] = 8 * group + 2 * drop;

/** A differentiated services code point: its name or its number. */
export const dscp = z
  .union([z.int().min(0).max(63), z.string()], { error: 'expected a code point such as ef, af41 or 46' })
  .transform((value, context) => {
    const point = typeof value === 'number' ? value : DSCP[value.toLowerCase()];
    if (point !== undefined) return point;
    context.addIssue({
      code: 'custom',
      message: `expected a code point: one of ${Object.keys(DSCP).join(', ')}, or 0 to 63`,
    });
    return z.NEVER;
  });

/** IANA's numbers of the protocols that are known by name. */
const PROTOCOLS: Record<string, number> = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 };

/** An IP protocol: its name or its number. */
export const protocol = z
  .union([z.int().min(0).max(255), z.string()], { error: 'expected a protocol such as udp, or its number' })
  .transform((value, context) => {
    const number = typeof value === 'number' ? value : PROTOCOLS[value.toLowerCase()];
    if (number !== undefined) return number;
    context.addIssue({
      code: 'custom',
      message: `expected a protocol: one of ${Object.keys(PROTOCOLS).join(', ')}, or its number from 0 to 255`,
    });
    return z.NEVER;
  });

export interface HostPort {
  host: string;
  port: number;
}

/** Splits `host`, `host:port`, `[v6]` or `[v6]:port`; a bare IPv6 address is a host. Undefined if it is none. */
export function splitHostPort(text: string, defaultPort: number): HostPort | undefined {
  if (isIPv6(text)) return { host: text, port: defaultPort };
  const match =
    /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9.-]*[A-Za-z0-9]))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || (match?.[1] !== undefined && !isIPv6(host))) return undefined;
  // Four dotted numbers that are no address are a mistake, not a host name.
  if (/^[\d.]+$/.test(host) && !isIPv4(host)) return undefined;
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  return port >= 1 && port <= 65535 ? { host, port } : undefined;
}

function hostAndPort(defaultPort: number, accept: (host: string) => boolean, expected: string) {
  return z.string().transform((text, context): HostPort => {
    const parts = splitHostPort(text, defaultPort);
    if (parts === undefined || !accept(parts.host)) {
      context.addIssue({ code: 'custom', message: `expected ${expected}` });
      return z.NEVER;
    }
    return parts;
  });
}

/** An address or host name with an optional port. */
export const hostPort = (defaultPort: number) =>
  hostAndPort(defaultPort, () => true, 'an address or a host name, with ":port" if it is not the usual one');

/** An IP address with an optional port. */
export const addressPort = (defaultPort: number) =>
  hostAndPort(
    defaultPort,
    host => isIP(host) !== 0,
    `an IP address, with ":port" if it is not ${defaultPort}`,
  );

/** An address or network in CIDR notation; undefined if the text is neither. */
export function readPrefix(text: string): Prefix | undefined {
  try {
    return parsePrefix(text);
  } catch {
    return undefined;
  }
}

/** An IPv4 address with an optional port. */
export const ipv4Port = (defaultPort: number) =>
  hostAndPort(defaultPort, isIPv4, `an IPv4 address, with ":port" if it is not ${defaultPort}`);

function isNetwork(text: string, family?: 4 | 6): boolean {
  const prefix = readPrefix(text);
  return prefix !== undefined && text.includes('/') && (family === undefined || prefix.family === family);
}

export const network = z.string().refine(text => isNetwork(text), {
  error: 'expected a network such as 10.30.0.0/16',
});

export const ipv4Network = z.string().refine(text => isNetwork(text, 4), {
  error: 'expected an IPv4 network such as 10.30.200.0/24',
});

/** The addresses that a server gives to its clients. */
export const poolNetwork = ipv4Network.refine(
  text => {
    const length = readPrefix(text)?.length ?? 0;
    return length >= SHORTEST_PREFIX && length <= LONGEST_PREFIX;
  },
  { error: `expected a prefix length from ${SHORTEST_PREFIX} to ${LONGEST_PREFIX}` },
);

/** One IPv4 address, `/32` allowed behind it. */
export const ipv4Host = z
  .string()
  .refine(text => isIPv4(text.replace(/\/32$/, '')), {
    error: 'expected an IPv4 address such as 192.168.77.2/32',
  })
  .transform(text => text.replace(/\/32$/, ''));

/** Name servers and search domains. */
export const nameServers = section({
  servers: z
    .array(z.string().refine(text => isIP(text) !== 0, { error: 'expected the IP address of a name server' }))
    .max(8, { error: 'expected at most 8 name servers' })
    .default([]),
  search: z
    .array(
      z.string().regex(/^(?=.{1,253}$)[a-z0-9_][a-z0-9_-]{0,62}(\.[a-z0-9_][a-z0-9_-]{0,62})*$/i, {
        error: 'expected a domain such as corp.example.com',
      }),
    )
    .max(16, { error: 'expected at most 16 domains' })
    .default([]),
});

export const fingerprint = z
  .string()
  .transform(
    text =>
      `sha256:${text
        .toLowerCase()
        .replace(/^sha256:/, '')
        .replaceAll(':', '')}`,
  )
  .refine(text => /^sha256:[0-9a-f]{64}$/.test(text), {
    error: 'expected "sha256:" and the 64 hexadecimal digits of the SHA-256 of the certificate (DER)',
  });

/** Where a secret comes from. Its value is read when it is needed, see `secrets.ts`. */
export const secretSource = z
  .union([section({ file: z.string().min(1) }), section({ env: z.string().min(1) })], {
    error: 'expected { file: PATH } or { env: NAME }',
  })
  .transform(source => ('file' in source ? { file: source.file } : { env: source.env }));
export type SecretSource = z.infer<typeof secretSource>;

/** What is offered unless configured, in this order: the last two are for gateways that have nothing else. */
export const ESP_SUITES = [
  'chacha20poly1305',
  'aes256gcm16',
  'aes128gcm16',
  'aes256-sha256',
  'aes128-sha256',
] as const satisfies readonly EspSuite[];
export const espSuite = word(...ESP_SUITES);

const ENCRYPTIONS: readonly IkeEncryption[] = ESP_SUITES;
/** With an integrity algorithm, the function's is the same unless given, as in strongSwan's notation. */
const DEFAULT_PRF: Partial<Record<IkeEncryption, Prf>> = {
  'aes256-sha256': 'prfsha256',
  'aes128-sha256': 'prfsha256',
};
const PRFS: readonly Prf[] = ['prfsha256', 'prfsha384', 'prfsha512'];
/** Names of the groups, with those that strongSwan uses. */
const GROUPS: ReadonlyMap<string, DhGroup> = new Map([
  ['x25519', 'x25519'],
  ['curve25519', 'x25519'],
  ['ecp256', 'ecp256'],
  ['modp2048', 'modp2048'],
]);

/** A proposal in strongSwan's notation: ENCRYPTION-PRF-GROUP. */
export const ikeProposal = z.string().transform((text, context): IkeProposal => {
  const encryption = ENCRYPTIONS.find(known => text.startsWith(`${known}-`));
  const words = encryption === undefined ? [] : text.slice(encryption.length + 1).split('-');
  const [prf, group] = words.length === 1 ? [encryption && DEFAULT_PRF[encryption], ...words] : words;
  const proposal = {
    encryption,
    prf: PRFS.find(known => known === prf),
    group: GROUPS.get(group ?? ''),
  };
  if (
    proposal.encryption === undefined ||
    proposal.prf === undefined ||
    proposal.group === undefined ||
    words.length > 2
  ) {
    context.addIssue({
      code: 'custom',
      message:
        `expected ENCRYPTION-PRF-GROUP of ${ENCRYPTIONS.join('|')}, ${PRFS.join('|')}, ${[...GROUPS.keys()].join('|')}; ` +
        `behind ${Object.keys(DEFAULT_PRF).join('|')} PRF may be left out`,
    });
    return z.NEVER;
  }
  return { encryption: proposal.encryption, prf: proposal.prf, group: proposal.group };
});

/** What is offered unless configured: every AEAD, fastest first, each with every function and group; then AES-CBC. */
export const DEFAULT_IKE_PROPOSALS: readonly IkeProposal[] = [
  ...combinations(['chacha20poly1305', 'aes256gcm16', 'aes128gcm16'], PRFS),
  ...combinations(['aes256-sha256', 'aes128-sha256'], ['prfsha256']),
];

function combinations(encryptions: readonly IkeEncryption[], prfs: readonly Prf[]): IkeProposal[] {
  return (['x25519', 'ecp256', 'modp2048'] as const).flatMap(group =>
    encryptions.flatMap(encryption => prfs.map(prf => ({ encryption, prf, group }))),
  );
}
