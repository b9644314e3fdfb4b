/**
 * One program in a network namespace whose only way out is the tunnel of a running connection.
 *
 * A pair of devices joins the namespace to the machine. What comes out of it meets a routing table that knows the tunnel's device
 * only, and chains of nftables that let it go nowhere else, the machine itself included. The namespace has no name and goes with the
 * program; the rest is in a journal of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { ask, eventsOf } from '../control/client.js';
import { runtimeFolder } from '../control/folders.js';
import { VpnrError } from '../errors.js';
import { NetworkChanges } from '../io/changes.js';
import { Journal } from '../io/journal.js';
import { systemNameServers } from '../io/name-servers.js';
import { listAddresses } from '../io/network.js';
import { readSysctl } from '../io/sysctl.js';
import type { ConnectionStatus } from './status.js';

/** The device at the namespace's end of the pair. */
const INNER = 'eth0';
/** Routing tables of ours: this, plus the number of the pair. */
const FIRST_TABLE = 11_800_000;
/** Of the rules, before the main table's (32766). */
const RULE_PRIORITY = 11_800;
/** Exit status of what was killed. */
const KILLED = 128 + constants.signals.SIGKILL;
/** Pairs of addresses, from 169.254.64.0 on: link-local (RFC 3927), away from the clouds' own 169.254.169.254. */
const PAIRS = 4096;
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** Says that it is there, waits until it is joined, sets its end up, and becomes the program. */
const SCRIPT = `
inside=$1 outside=$2 mtu=$3 resolv=$4; shift 4
echo ready >&3 && read -r go <&3 && exec 3>&- || exit 125
ip link set lo up && ip link set ${INNER} mtu "$mtu" up && ip address add "$inside/30" dev ${INNER} &&
ip route add default via "$outside" && mount --bind "$resolv" /etc/resolv.conf || exit 125
for folder in /run/systemd/resolve /run/nscd /var/run/nscd; do
  if [ -d "$folder" ]; then mount -t tmpfs -o ro tmpfs "$folder" || exit 125; fi
done
exec "$@"`;

interface Pair {
  device: string;
  outside: string;
  inside: string;
  table: number;
}

/** Runs the program; resolves with its exit status, 128 and the signal's number if one ended it. */
export async function runConfined(connection: string, command: readonly string[]): Promise<number> {
  const status = await ask<ConnectionStatus>(connection, { command: 'status' });
  if (status?.role !== 'client') throw new VpnrError('USAGE', `${connection} is not a connection`);
  if (status.address === null) throw new VpnrError('NOT_RUNNING', `${connection} is not connected yet`);
  const folder = join(runtimeFolder(), 'exec');
  await putBackLeftOver(folder);
  const pair = await freePair();
  const name = `exec-${process.pid}`;
  const journal = Journal.open(name, folder);
  const changes = new NetworkChanges(journal, pair.device);
  const resolvConf = join(folder, `${name}.resolv.conf`);
  const following = new AbortController();
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(resolvConf, resolvConfInside(), { mode: 0o644 });
    const child = start(pair, status.mtu, resolvConf, command);
    const ended = endOf(child);
    try {
      const gate = child.stdio[3] as Duplex;
      await Promise.race([ready(gate), ended]);
      if (child.pid === undefined || child.exitCode !== null) return await ended;
      await joinTunnel(changes, pair, status, child.pid);
      void followAddress(connection, changes, pair, status.device, following.signal);
      // It may have changed before that began.
      const now = await ask<ConnectionStatus>(connection, { command: 'status' }).catch(() => undefined);
      if (now?.address && now.address !== status.address)
        await changes.setTable(pair.device, rules(pair, status.device, now.address));
      gate.end('go\n');
      return await ended;
    } catch (error) {
      // A signal may have ended it, and its namespace, while that was being joined.
      child.kill('SIGKILL');
      const ending = await ended;
      if (ending === KILLED) throw error;
      return ending;
    }
  } finally {
    following.abort();
    rmSync(resolvConf, { force: true });
    const [error] = await changes.undoAll(othersRun(folder, name) ? 'sysctl' : undefined);
    if (error === undefined) journal.close();
    else process.stderr.write(`could not put everything back: ${error.message}\n`);
  }
}

/** What a process that was killed has left. */
async function putBackLeftOver(folder: string): Promise<void> {
  for (const name of Journal.names(folder)) {
    if (!Journal.isLeftOver(name, folder)) continue;
    const journal = Journal.open(name, folder);
    await new NetworkChanges(journal, '').undoAll(othersRun(folder, name) ? 'sysctl' : undefined);
    journal.close();
  }
}

function othersRun(folder: string, self: string): boolean {
  return Journal.names(folder).some(name => name !== self && Journal.owner(name, folder) !== undefined);
}

async function freePair(): Promise<Pair> {
  const taken = new Set((await listAddresses()).map(({ address }) => address));
  for (let attempt = 0; attempt < PAIRS; attempt++) {
    const number = (process.pid + attempt) % PAIRS;
    const network = `169.254.${64 + (number >> 6)}`;
    const host = (number & 63) << 2;
    const pair = { outside: `${network}.${host + 1}`, inside: `${network}.${host + 2}` };
    if (!taken.has(pair.outside)) return { ...pair, device: `vpnrx${number}`, table: FIRST_TABLE + number };
  }
  throw new VpnrError('SYSTEM_CALL', `${PAIRS} programs are run by vpnr exec already`);
}

/** The system's name servers, asked by way of the tunnel; those on the machine itself are out of reach. */
function resolvConfInside(): string {
  const servers = systemNameServers().filter(server => !server.startsWith('127.') && server !== '::1');
  return servers.map(server => `nameserver ${server}\n`).join('');
}

function start(pair: Pair, mtu: number, resolvConf: string, command: readonly string[]): ChildProcess {
  const { SUDO_UID: uid, SUDO_GID: gid } = process.env;
  const asUser =
    process.getuid?.() === 0 && uid !== undefined && gid !== undefined
      ? ['setpriv', '--reuid', uid, '--regid', gid, '--init-groups', '--']
      : [];
  const parts = [pair.inside, pair.outside, String(mtu), resolvConf, ...asUser, ...command];
  const unshare = ['--net', '--mount', '--propagation', 'private', '--', 'sh', '-c', SCRIPT, 'sh'];
  return spawn('unshare', [...unshare, ...parts], { stdio: ['inherit', 'inherit', 'inherit', 'pipe'] });
}

function ready(gate: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    gate.once('data', () => resolve());
    gate.on('error', reject);
  });
}

async function joinTunnel(
  changes: NetworkChanges,
  pair: Pair,
  { device, mtu, address }: ConnectionStatus,
  pid: number,
): Promise<void> {
  await changes.setTable(pair.device, rules(pair, device, address ?? ''));
  await changes.joinNamespace(pid, INNER, { target: device, table: pair.table, priority: RULE_PRIORITY });
  await changes.addAddress(`${pair.outside}/30`);
  await changes.setUp(mtu);
  for (const name of [device, pair.device]) await changes.setSysctl(`net/ipv4/conf/${name}/forwarding`, '1');
  // Answers come from anywhere, also from where the system's own routes do not lead into the tunnel (RFC 3704: loose).
  await changes.setSysctl(`net/ipv4/conf/${device}/rp_filter`, '2');
}

/** Out of the namespace by the tunnel only, under the address of the tunnel, and nothing but answers back in. */
function rules(pair: Pair, device: string, address: string): string {
  const [pairs, tunnel] = [`"${pair.device}"`, `"${device}"`];
  // A machine that is no router does not become one for what comes out of the tunnel.
  const noRouter =
    readSysctl('net/ipv4/ip_forward') === '0' ? `iifname ${tunnel} oifname != "vpnrx*" drop` : '';
  return `
chain input { type filter hook input priority -10; policy accept; iifname ${pairs} drop; }
chain forward {
  type filter hook forward priority -10; policy accept;
  iifname ${pairs} oifname != ${tunnel} drop
  iifname ${pairs} meta nfproto ipv6 drop
  oifname ${pairs} iifname != ${tunnel} drop
  iifname ${tunnel} oifname "vpnrx*" ct state != { established, related } drop
  ${noRouter}
}
chain postrouting {
  type nat hook postrouting priority 100; policy accept;
  ip saddr ${pair.inside} oifname ${tunnel} snat to ${address}
}`;
}

/** Without a relay the tunnel's address changes with the gateway. */
async function followAddress(
  connection: string,
  changes: NetworkChanges,
  pair: Pair,
  device: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const entry of eventsOf(connection, { lines: 0, follow: true }, signal)) {
      const { event, address } = entry as { event?: string; address?: string };
      if (event !== 'address-changed' || address === undefined || signal.aborted) continue;
      await changes.setTable(pair.device, rules(pair, device, address));
    }
  } catch {
    // The connection has ended, and with it the device: nothing passes any more.
  }
}

/** Passes signals on meanwhile; a terminal sends its own to the program too. */
function endOf(child: ChildProcess): Promise<number> {
  const pass = (signal: NodeJS.Signals) => child.kill(signal);
  const ignore = () => {};
  const handlers = FORWARDED.map(signal => {
    const isTerminals = process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT');
    return { signal, handler: isTerminals ? ignore : pass };
  });
  for (const { signal, handler } of handlers) process.on(signal, handler);
  return new Promise<number>((resolve, reject) => {
    child.on('error', error =>
      reject(
        new VpnrError('MISSING_PROGRAM', `\`unshare\` cannot be run: ${error.message}`, {
          remedy: 'apt-get install util-linux',
        }),
      ),
    );
    child.on('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  }).finally(() => {
    for (const { signal, handler } of handlers) process.removeListener(signal, handler);
  });
}
