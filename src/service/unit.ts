/** A unit for systemd that runs vpnr. */
import type { Role } from '../control/event-log.js';

export const UNIT_FOLDER = '/etc/systemd/system';

export interface UnitPlan {
  role: Role;
  /** Of the connection, relay or gateway. */
  name: string;
  /** The command line, each word for itself. */
  command: readonly string[];
  /** Folders, beside the state folder, that it writes to. */
  writes: readonly string[];
}

const DESCRIPTIONS: Record<Role, string> = {
  client: 'VPN connection',
  relay: 'Relay for VPN connections',
  gateway: 'VPN gateway',
};

export function unitName(name: string): string {
  return `vpnr-${name}.service`;
}

export function unitText({ role, name, command, writes }: UnitPlan): string {
  const paths = writes.map(path => `ReadWritePaths=${quote(path)}\n`).join('');
  return `# Written by "vpnr service install"; removed by "vpnr service remove ${name}".
[Unit]
Description=${DESCRIPTIONS[role]} ${name} (vpnr)
Wants=network-online.target
After=network-online.target

[Service]
# Started when it is connected, or listens; the watchdog is fed while both threads work.
Type=notify
NotifyAccess=main
WatchdogSec=30s
TimeoutStartSec=infinity
ExecStart=${command.map(quote).join(' ')}
Restart=on-failure
RestartSec=2s
# Usage and configuration: another start would end in the same way.
RestartPreventExitStatus=2 3
# Everything is put back before it ends.
KillMode=mixed
TimeoutStopSec=20s

RuntimeDirectory=vpnr
RuntimeDirectoryMode=0700
# Others may run beside this one.
RuntimeDirectoryPreserve=yes
StateDirectory=vpnr
StateDirectoryMode=0700
${paths}UMask=0077

# Device, routes, addresses and socket buffers; IP in IP; ports below 1024; files of an operator who is not root.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
LockPersonality=yes
SystemCallArchitectures=native
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
