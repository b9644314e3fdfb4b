/** The command lines that connections, relays and gateways are usually started with. */
import { parseArgs } from 'node:util';

export interface ServiceLine {
  command: 'connect' | 'relay' | 'gateway';
  config: string;
  json: boolean;
  /** Of a connection. */
  name: string | undefined;
  persist: boolean;
}

const COMMON = { config: { type: 'string', short: 'c' }, json: { type: 'boolean' } } as const;
const CONNECT = { ...COMMON, name: { type: 'string' }, persist: { type: 'boolean' } } as const;

/** What such a command line says; undefined for any other, and for all that oclif has something to say about. */
export function parseServiceLine([command, ...args]: readonly string[]): ServiceLine | undefined {
  if (command !== 'connect' && command !== 'relay' && command !== 'gateway') return undefined;
  // With it, oclif writes JSON whatever the arguments are.
  if (process.env.VPNR_CONTENT_TYPE !== undefined) return undefined;
  try {
    const { values } = parseArgs({ args, options: command === 'connect' ? CONNECT : COMMON, strict: true });
    const { config, json = false, name, persist = false } = values as ConnectValues;
    // `-c=FILE` is one of oclif's ways to write it.
    if (!config || config.startsWith('=')) return undefined;
    return { command, config, json, name, persist };
  } catch {
    return undefined;
  }
}

interface ConnectValues {
  config?: string;
  json?: boolean;
  name?: string;
  persist?: boolean;
}
