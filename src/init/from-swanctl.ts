/** A client's configuration made of a strongSwan client's: connections with pre-shared keys become gateways, in their order. */
import { espSuite, ikeProposal, ipv4Host, name as nameSchema, network } from '../config/values.js';
import { VpnrError } from '../errors.js';
import { combine, type GatewayPlan, plannedFiles } from './client-files.js';
import type { NewFile } from './files.js';
import type { Invitation } from './invitation.js';
import type { Section } from './swanctl.js';
import type { Swanctl } from './swanctl-files.js';

export interface Converted {
  files: NewFile[];
  /** What could not be taken over, for the user to read. */
  notes: string[];
}

const EMPTY: Section = { settings: new Map(), sections: new Map() };
/** Of a key exchange in an ESP proposal: perfect forward secrecy comes with every IKE SA's own. */
const GROUP = /-(?:x25519|curve25519|x448|curve448|ecp\d+(?:bp)?|modp\d+(?:s\d+)?)$/;

export interface ConversionAnswers {
  /** Of the connection. */
  name: string;
  /** What strongSwan's configuration does not have: a relay, further gateways. */
  invitations: readonly Invitation[];
  /** What goes through the tunnel; what strongSwan's configuration and the relay's invitation say when empty. */
  routes: readonly string[];
}

/** Throws CONFIG_INVALID when no connection can be taken over, USAGE when the invitations do not fit together. */
export function convertSwanctl(
  { file, root, notes: passedOver }: Swanctl,
  answers: ConversionAnswers,
): Converted {
  const notes = [...passedOver];
  const secrets = [...(root.sections.get('secrets')?.sections ?? [])]
    .filter(([key]) => /^ike/.test(key))
    .map(([, section]) => section);
  const taken: Taken[] = [];
  for (const [key, section] of root.sections.get('connections')?.sections ?? []) {
    const note = (what: string) => {
      notes.push(`connection ${key}: ${what}`);
      return undefined;
    };
    const one = convert(key, section, secrets, note);
    if (one !== undefined) taken.push(one);
  }
  const [first] = taken;
  if (first === undefined) {
    throw new VpnrError('CONFIG_INVALID', [`${file}: no connection can be taken over`, ...notes].join('\n'), {
      remedy: 'vpnr needs IKEv2 connections with "auth = psk" on both sides',
    });
  }
  const { identity = first.local, gateways, relay } = combine(answers.invitations);
  const own = taken.map(({ plan, local }) =>
    local === identity ? plan : { ...plan, clientIdentity: local },
  );
  const { name, routes } = answers;
  const usual = [...taken.flatMap(entry => entry.routes), ...(relay?.networks ?? [])];
  return {
    notes,
    files: plannedFiles({
      name,
      identity,
      gateways: [...own, ...gateways],
      relay,
      routes: routes.length > 0 ? routes : usual,
    }),
  };
}

interface Taken {
  plan: GatewayPlan;
  local: string;
  routes: string[];
}

function convert(
  key: string,
  section: Section,
  secrets: readonly Section[],
  note: (what: string) => undefined,
): Taken | undefined {
  const [local, remote] = [sideOf(section, 'local'), sideOf(section, 'remote')];
  const auth = [local, remote].map(side => side.settings.get('auth') ?? 'pubkey');
  if (auth.some(method => method !== 'psk'))
    return note(`left out: it authenticates by ${auth.join(' and ')}, vpnr by psk`);
  if ((section.settings.get('version') ?? '0') === '1') return note('left out: it is IKEv1');
  const address = listOf(section.settings.get('remote_addrs')).find(
    host => !/[%/-]/.test(host) || /^[\w.-]+$/.test(host),
  );
  if (address === undefined) return note('left out: it has no address to begin with (remote_addrs)');
  const identity = remote.settings.get('id') ?? address;
  const own = local.settings.get('id');
  if (own === undefined) return note('left out: its local section has no id');
  const secret = secretFor(secrets, own, identity);
  if (secret === undefined) return note(`left out: no secret is for ${own} and ${identity}`);
  const psk = decode(secret);
  if (psk === undefined || psk.length === 0)
    return note(`left out: the secret for ${own} and ${identity} is no hexadecimal or base64`);
  const last = psk.at(-1);
  if (last === 0x0a || last === 0x0d) return note('left out: its secret ends with a line break');
  const name = nameSchema.safeParse(key).success
    ? key
    : key.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'gateway';
  const port = section.settings.get('remote_port');
  const children = [...(section.sections.get('children')?.sections.values() ?? [])];
  const routes = children
    .flatMap(child => listOf(child.settings.get('remote_ts')))
    .filter(text => network.safeParse(text).success);
  if (children.some(child => child.settings.get('remote_ts')?.includes('[')))
    note('selectors with protocol or port were left out');
  const innerAddress = section.settings.has('vips') ? undefined : singleAddress(children);
  if (!section.settings.has('vips') && innerAddress === undefined)
    note('it asks for no virtual address (vips): give its gateway an inner_address, unless it assigns one');
  const ike = proposals(section.settings.get('proposals'), text => ikeProposal.safeParse(text).success, note);
  const esp = proposals(
    children.map(child => child.settings.get('esp_proposals') ?? '').join(','),
    text => espSuite.safeParse(text).success,
    note,
  );
  const plan: GatewayPlan = {
    name,
    address: port === undefined || port === '500' ? address : `${address}:${port}`,
    identity,
    psk,
    innerAddress,
    ike,
    esp,
  };
  return { plan, local: own, routes };
}

/** The only address on the client's side of the tunnel, where there is only one. */
function singleAddress(children: readonly Section[]): string | undefined {
  const [own, ...others] = new Set(children.flatMap(child => listOf(child.settings.get('local_ts'))));
  const single = ipv4Host.safeParse(own);
  return others.length === 0 && single.success ? single.data : undefined;
}

/** `local`, `local-1`, ...: with several rounds of authentication the first counts, and a second one is told by its `auth`. */
function sideOf(section: Section, side: 'local' | 'remote'): Section {
  for (const [key, inner] of section.sections) if (key === side || key.startsWith(`${side}-`)) return inner;
  return EMPTY;
}

function listOf(text = ''): string[] {
  return text
    .split(',')
    .map(word => word.trim())
    .filter(Boolean);
}

/** Those that vpnr has, under its names; none for all that it has. */
function proposals(
  text: string | undefined,
  isKnown: (text: string) => boolean,
  note: (what: string) => void,
): string[] {
  const all = listOf(text).filter(word => word !== 'default');
  const known = all.map(word => {
    const renamed = word.replace(/curve25519/g, 'x25519');
    return [renamed, renamed.replace(GROUP, '')].find(isKnown);
  });
  all.forEach((word, i) => {
    if (known[i] === undefined) note(`the proposal ${word} is not known to vpnr`);
  });
  return [...new Set(known.flatMap(word => word ?? []))];
}

/** The secret whose ids fit both best; one without ids is for all. */
function secretFor(secrets: readonly Section[], ...identities: string[]): string | undefined {
  const rated = secrets.flatMap(({ settings }) => {
    const secret = settings.get('secret');
    const ids = [...settings].filter(([key]) => key.startsWith('id')).map(([, id]) => id);
    const fitting = identities.filter(id => ids.includes(id)).length;
    return secret === undefined || (ids.length > 0 && fitting === 0) ? [] : [{ secret, fitting }];
  });
  const [best] = rated.sort((a, b) => b.fitting - a.fitting);
  return best?.secret;
}

/**
 * As strongSwan reads it: "0x" is followed by hexadecimal, with colons or without, "0s" by base64, anything else is the secret
 * itself. Undefined for what is neither.
 */
function decode(secret: string): Uint8Array | undefined {
  const [prefix, rest] = [secret.slice(0, 2).toLowerCase(), secret.slice(2)];
  if (prefix === '0x') {
    const digits = rest.replaceAll(':', '');
    // The first of an odd number of digits is a byte of its own.
    return /^[0-9a-f]*$/i.test(digits)
      ? Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
      : undefined;
  }
  if (prefix === '0s') return /^[A-Za-z0-9+/]*={0,2}$/.test(rest) ? Buffer.from(rest, 'base64') : undefined;
  return Buffer.from(secret);
}
