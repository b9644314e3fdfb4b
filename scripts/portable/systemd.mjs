// Units for systemd. Each is a template: what stands behind the @ names a configuration in /etc/vpnr.

const ROLES = {
  'vpnr@': { command: 'connect', description: 'VPN connection %i that survives its gateways' },
  'vpnr-relay@': { command: 'relay', description: 'Relay %i for the clients of vpnr' },
  'vpnr-gateway@': { command: 'gateway', description: 'VPN gateway %i of vpnr' },
};

// Not MemoryDenyWriteExecute=, for JavaScript and WebAssembly are compiled to machine code; not ProtectKernelTunables=, for
// forwarding and reverse path filters are settings of the kernel that vpnr sets and puts back.
const unit = ({ command, description }) => `[Unit]
Description=${description}
Documentation=man:vpnr(1)
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart=vpnr ${command} -c /etc/vpnr/%i.yaml${command === 'connect' ? ' --persist' : ''}
Restart=on-failure
RestartSec=2s
# Usage and configuration: another start would end in the same way.
RestartPreventExitStatus=2 3
TimeoutStopSec=20s
KillMode=mixed

RuntimeDirectory=vpnr
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
StateDirectory=vpnr
StateDirectoryMode=0700
UMask=0077

CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE CAP_SYS_NICE CAP_DAC_OVERRIDE CAP_CHOWN
NoNewPrivileges=yes
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw
ProtectSystem=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
PrivateTmp=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
`;

/** The units' texts by their file names. */
export const units = () =>
  Object.fromEntries(Object.entries(ROLES).map(([name, role]) => [`${name}.service`, unit(role)]));
