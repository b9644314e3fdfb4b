/** Reading a YAML configuration file: every complaint names file, line, column, key and what was expected. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import type * as z from 'zod';
import { VpnrError } from '../errors.js';
import { isForbidden, SUDO } from '../file-error.js';
import { type ClientConfig, clientSchema } from './client.js';
import { type GatewayConfig, gatewaySchema } from './gateway.js';
import { type RelayConfig, relaySchema } from './relay.js';

/** A configuration and the folder that its relative paths start from. */
export interface Loaded<Config> {
  file: string;
  folder: string;
  config: Config;
}

const MAX_BYTES = 1 << 20;

const REASONS: Record<string, string> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'this is a folder',
};

/** Reads and checks `client.yaml`. Throws CONFIG_NOT_FOUND, NOT_ROOT, CONFIG_SYNTAX or CONFIG_INVALID. */
export function loadClientConfig(file: string): Loaded<ClientConfig> {
  return load(file, clientSchema);
}

/** Reads and checks `relay.yaml`. Throws CONFIG_NOT_FOUND, NOT_ROOT, CONFIG_SYNTAX or CONFIG_INVALID. */
export function loadRelayConfig(file: string): Loaded<RelayConfig> {
  return load(file, relaySchema);
}

/** Reads and checks `gateway.yaml`. Throws CONFIG_NOT_FOUND, NOT_ROOT, CONFIG_SYNTAX or CONFIG_INVALID. */
export function loadGatewayConfig(file: string): Loaded<GatewayConfig> {
  return load(file, gatewaySchema);
}

export type Role = 'client' | 'relay' | 'gateway';

/** Whose configuration a file is, by the keys that only this one has; a client's when it has none of them. */
export function roleOf(file: string): Role {
  const keys = parseDocument(read(file), { prettyErrors: false }).contents;
  const has = (key: string) => isMap(keys) && keys.has(key);
  if (has('gateways')) return 'client';
  if (has('certificate') || has('key')) return 'relay';
  return has('networks') || has('listen') ? 'gateway' : 'client';
}

/** The name that is configured in the file. Throws as the reading of its role's does. */
export function nameIn(file: string): string {
  const read = { client: loadClientConfig, relay: loadRelayConfig, gateway: loadGatewayConfig };
  return read[roleOf(file)](file).config.name;
}

function load<Schema extends z.ZodType>(file: string, schema: Schema): Loaded<z.output<Schema>> {
  return { file, folder: dirname(resolve(file)), config: parseConfig(read(file), file, schema) };
}

function read(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (isForbidden(error))
      throw new VpnrError('NOT_ROOT', `${file}: ${message}`, { remedy: SUDO, cause: error });
    const reason = REASONS[code] ?? message;
    throw new VpnrError('CONFIG_NOT_FOUND', `${file}: ${reason}`, {
      remedy: 'correct the path after -c',
      cause: error,
    });
  }
  if (text.length > MAX_BYTES)
    throw new VpnrError('CONFIG_INVALID', `${file}: larger than 1 MiB, surely not a configuration`, {
      remedy: 'name another file',
    });
  return text;
}

/** Checks the text of a configuration; `file` is for messages only. */
export function parseConfig<Schema extends z.ZodType>(
  text: string,
  file: string,
  schema: Schema,
): z.output<Schema> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const syntax = document.errors[0] ?? document.warnings[0];
  if (syntax !== undefined) {
    throw new VpnrError('CONFIG_SYNTAX', `${place(file, lines, syntax.pos[0])}: ${syntax.message}`, {
      remedy:
        'correct the YAML there: check the indentation, quotes and brackets of this line and the one before',
    });
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new VpnrError('CONFIG_SYNTAX', `${file}:1:1: ${(error as Error).message}`, {
      remedy: 'write out what the aliases (*name) stand for',
      cause: error,
    });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const complaints = result.error.issues.map(
    issue => `${place(file, lines, offsetOf(document, issue))}: ${describe(issue)}`,
  );
  throw new VpnrError('CONFIG_INVALID', complaints.join('\n'), {
    remedy: 'correct it there; `man vpnr` and docs/reference.md show every key',
  });
}

function place(file: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}`;
}

function describe(issue: z.core.$ZodIssue): string {
  const where = issue.path
    .map(part => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
  const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
  const what = missing
    ? `missing; ${issue.message.replace(/^Invalid input: /, '').replace(/, received undefined$/, '')}`
    : issue.message.replace(/^Invalid input: /, '');
  return where === '' ? what : `${where}: ${what}`;
}

/** Where in the text the complaint belongs: the key that is unknown, the value that is wrong, or the section that lacks one. */
function offsetOf(document: Document, issue: z.core.$ZodIssue): number {
  for (let depth = issue.path.length; depth >= 0; depth--) {
    const path = issue.path.slice(0, depth);
    const node = depth === 0 ? document.contents : document.getIn(path, true);
    if (!isNode(node)) continue;
    if (issue.code === 'unrecognized_keys' && isMap(node)) {
      const pair = node.items.find(item => isScalar(item.key) && item.key.value === issue.keys[0]);
      if (isNode(pair?.key)) return pair.key.range?.[0] ?? 0;
    }
    return node.range?.[0] ?? 0;
  }
  return 0;
}
