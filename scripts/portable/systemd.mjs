// Units for systemd. Each is a template: what stands behind the @ names a configuration in /etc/vpnr.

const NAMES = { client: 'vpnr@', relay: 'vpnr-relay@', gateway: 'vpnr-gateway@' };

/** The units' texts by their file names, as the built command writes them. */
export async function units() {
  const { templateText } = await import('../../dist/service/unit.js');
  return Object.fromEntries(
    Object.entries(NAMES).map(([role, name]) => [`${name}.service`, templateText(role)]),
  );
}
