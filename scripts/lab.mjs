// Shows what vpnr is for: `npm run lab [-- --fault FAULT]`. In a laboratory of network namespaces a client is
// connected to a server through one of two real gateways (strongSwan); in the middle of a TCP transfer the gateway
// fails. Needs root. Ends with status 0 only if the transfer survived with its content intact.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildDist, root } from './compile.mjs';
import { prepare } from './prepare.mjs';

const { values } = parseArgs({
  options: {
    fault: { type: 'string', default: 'kill' },
    megabytes: { type: 'string', default: '100' },
  },
});
const bytes = Number(values.megabytes) * 1e6;
const TIMEOUT_MS = 120_000;

prepare();
buildDist();
const { City, FAULTS, injectFault, labObstacle, SERVER_ADDRESS, strongSwanObstacle, Transfer } = await import(
  '../dist/lab/index.js'
);

const started = performance.now();
const say = (who, what) => {
  const seconds = ((performance.now() - started) / 1000).toFixed(3).padStart(8);
  console.log(`${seconds} s  ${who.padEnd(8)} ${what}`);
};
const megabytes = count => `${(count / 1e6).toFixed(0)} MB`;

function refuse(message) {
  console.error(message);
  process.exit(2);
}

if (!(values.fault in FAULTS)) {
  const choices = Object.entries(FAULTS).map(([name, what]) => `  ${name.padEnd(14)} ${what}`);
  refuse(`unknown fault ${values.fault}; expected one of\n${choices.join('\n')}`);
}
if (!(bytes >= 10e6)) refuse('--megabytes: expected a number from 10');
const obstacle = labObstacle() ?? strongSwanObstacle();
if (obstacle !== undefined) refuse(`no laboratory on this machine: ${obstacle}`);

const city = await City.create({ program: [process.execPath, join(root, 'dist', 'cli.js')] });
try {
  await show(city);
} catch (error) {
  console.error(`FAILED: ${error.message}`);
  process.exitCode = 1;
} finally {
  city.close();
}

async function show({ gateways, client, server }) {
  for (const [name, gateway] of Object.entries(gateways))
    say(name, `strongSwan runs, process ${gateway.pid}`);
  const relay = await city.startRelay();
  say('relay', `vpnr relay runs, process ${relay.pid}`);
  const connection = city.connect();
  connection.process.onLine(line => {
    const { time, event, ...details } = JSON.parse(line);
    const text = Object.entries(details).map(([name, value]) => `${name} ${value}`);
    say('vpnr', `${event}: ${text.join(', ')}`);
  });
  const { address, gateway } = await connection.event('connected');
  const transfer = await Transfer.start({ client, server, address: SERVER_ADDRESS, bytes, untilTold: true });
  say(
    'client',
    `one TCP connection from ${address} to ${SERVER_ADDRESS}: at least ${megabytes(bytes)} each way`,
  );

  await transfer.reached(bytes * 0.4, TIMEOUT_MS);
  const { up, down } = transfer.arrived;
  say('client', `${megabytes(up)} up and ${megabytes(down)} down have arrived`);
  await injectFault(city, gateway, values.fault);
  say(gateway, `FAILURE: ${FAULTS[values.fault]}`);
  const failed = await connection.event('gateway-failed');
  const switched = await connection.event('switched');
  transfer.finish();
  const result = await transfer.result(TIMEOUT_MS);
  say('client', `${megabytes(result.up.bytes)} up, SHA-256 ${result.up.sha256}: as sent`);
  say('client', `${megabytes(result.down.bytes)} down, SHA-256 ${result.down.sha256}: as sent`);
  const status = await connection.status();
  say('vpnr', `status: ${status.state} through ${status.gateway}, address ${status.address}`);
  const { status: exit } = await connection.stop('SIGINT');
  await relay.stop('SIGTERM');
  if (status.gateway === gateway || status.address !== address || exit !== 0) {
    throw new Error(`status ${JSON.stringify(status)}, exit status ${exit}`);
  }
  const pause = Math.max(result.up.longestPauseMs, result.down.longestPauseMs);
  console.log(
    [
      '',
      `The connection survived: ${gateway} failed, ${status.gateway} took over, the address stayed ${address}.`,
      `  detected      ${failed.ms} ms after the gateway's last sign of life`,
      `  switched      ${switched.ms} ms after that`,
      `  TCP paused    ${pause.toFixed(0)} ms`,
      `  content       intact, ${megabytes(result.up.bytes + result.down.bytes)} in ${(result.ms / 1000).toFixed(1)} s`,
    ].join('\n'),
  );
}
