/** A unit for systemd that runs vpnr. */
import type { Role } from '../control/event-log.js';
import { NEEDED } from './capabilities.js';

export const UNIT_FOLDER = '/etc/systemd/system';
/** Of the packages' units. */
const CONFIG_FOLDER = '/etc/vpnr';

export interface UnitPlan {
  role: Role;
  /** Of the connection, relay or gateway. */
  name: string;
  /** The command line, each word for itself. */
  command: readonly string[];
  /** The command line that has it read its configuration anew, if it can. */
  reload?: readonly string[];
  /** The command line that puts back what it leaves when it is killed. */
  afterwards: readonly string[];
  /** Folders, beside the state folder, that it writes to. */
  writes: readonly string[];
}

const DESCRIPTIONS: Record<Role, string> = {
  client: 'VPN connection',
  relay: 'Relay for VPN connections',
  gateway: 'VPN gateway',
};

const COMMANDS: Record<Role, string> = {
  client: 'connect --persist',
  relay: 'relay',
  gateway: 'gateway',
};

/** Where systemd-resolved does not run, a client's name servers stand in /etc/resolv.conf. */
const PROTECTS: Record<Role, string> = { client: 'yes', relay: 'strict', gateway: 'strict' };

export function unitName(name: string): string {
  return `vpnr-${name}.service`;
}

export function unitText({ role, name, command, reload, afterwards, writes }: UnitPlan): string {
  const line = (words: readonly string[]) => words.map(quote).join(' ');
  const head = `# Written by "vpnr service install"; removed by "vpnr service remove ${name}".\n`;
  const lines = { start: line(command), reload: reload && line(reload), putBack: line(afterwards) };
  return head + describe({ role, name, ...lines, writes: writes.map(quote) });
}

/** A unit for all configurations in CONFIG_FOLDER: the instance's name is that of the file. */
export function templateText(role: Role): string {
  const start = `vpnr ${COMMANDS[role]} -c ${CONFIG_FOLDER}/%i.yaml`;
  const reload = role === 'client' ? undefined : `vpnr reload -c ${CONFIG_FOLDER}/%i.yaml`;
  // The name in the configuration may be another one.
  const putBack = 'vpnr disconnect --left-over';
  const writes = role === 'client' ? [] : [CONFIG_FOLDER];
  return describe({ role, name: '%i', start, reload, putBack, writes });
}

interface Description {
  role: Role;
  name: string;
  /** As systemd reads them. */
  start: string;
  reload: string | undefined;
  putBack: string;
  writes: readonly string[];
}

function describe({ role, name, start, reload, putBack, writes }: Description): string {
  const reloading = reload === undefined ? '' : `ExecReload=${reload}\n`;
  const paths = writes.map(path => `ReadWritePaths=${path}\n`).join('');
  return `[Unit]
Description=${DESCRIPTIONS[role]} ${name} (vpnr)
Documentation=man:vpnr(1)
Wants=network-online.target
After=network-online.target

[Service]
# Started when it is connected, or listens; the watchdog is fed while both threads work.
Type=notify
NotifyAccess=main
WatchdogSec=30s
# The watchdog aborts, and the memory of the process has keys in it.
LimitCORE=0
TimeoutStartSec=infinity
SyslogIdentifier=vpnr-${name}
ExecStart=${start}
${reloading}Restart=on-failure
RestartSec=2s
# Usage and configuration: another start would end in the same way.
RestartPreventExitStatus=2 3
# Everything is put back before it ends; when it was killed, afterwards. A kill switch stays then.
KillMode=mixed
TimeoutStopSec=20s
ExecStopPost=-${putBack}

RuntimeDirectory=vpnr
RuntimeDirectoryMode=0700
# Others may run beside this one.
RuntimeDirectoryPreserve=yes
StateDirectory=vpnr
StateDirectoryMode=0700
${paths}UMask=0077

# Device, routes, addresses and socket buffers; ports below 1024; files of an operator who is not root; of a relay, IP in IP.
CapabilityBoundingSet=${NEEDED[role].join(' ')}
NoNewPrivileges=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw
ProtectSystem=${PROTECTS[role]}
ProtectHome=read-only
PrivateTmp=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute=, for JavaScript and WebAssembly are compiled to machine code while they run; not
# ProtectKernelTunables=, for forwarding is a setting of the kernel; not PrivateDevices=, for that hides /dev/net/tun.

[Install]
WantedBy=multi-user.target
`;
}

/** A word as systemd reads it back: "%" begins a specifier, "$" a variable, a backslash an escape. */
function quote(word: string): string {
  const literal = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@%+=:,./$-]+$/.test(literal)
    ? literal
    : `"${literal.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
