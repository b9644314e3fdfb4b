// `npm run demo [-- FLAGS]`: `vpnr demo` from a fresh clone. Installs and builds what that needs first.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { buildDist, root } from './compile.mjs';
import { prepare } from './prepare.mjs';

const flags = process.argv.slice(2);
// Only real strongSwan needs more than `ip`.
prepare(flags.some(flag => flag.includes('strongswan')) ? undefined : ['iproute2']);
buildDist();
const command = [join(root, 'dist', 'cli.js'), 'demo', ...flags];
const child = spawn(process.execPath, command, { stdio: 'inherit' });
// Ctrl-C reaches the child by itself.
process.on('SIGINT', () => {});
process.on('SIGTERM', signal => child.kill(signal));
child.on('exit', status => {
  process.exitCode = status ?? 1;
});
