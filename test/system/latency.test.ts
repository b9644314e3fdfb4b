import * as assert from 'uvu/assert';
import {
  City,
  GATEWAYS,
  type GatewayName,
  SERVER_ADDRESS,
  Stream,
  Transfer,
  VpnrGateway,
} from '../../src/lab/index.js';
import { figures, PROGRAM, reporting, systemTests } from './support.js';

const test = systemTests();
/** One way, milliseconds. */
const NEAR = { delayMs: 3 };
const FAR = { delayMs: 25 };
/** Bytes a second each way: load, but no measurement. */
const RATE = 2_000_000;
const TRANSFER_MS = 90_000;
/** Another path must have been the quicker one for ten seconds. */
const MOVE_MS = 60_000;

test('the traffic follows the quicker gateway, without loss and without moving to and fro', async () => {
  const { tokyo, osaka } = GATEWAYS;
  const city = await City.build<GatewayName, VpnrGateway>({
    program: PROGRAM,
    sites: { tokyo: { ...tokyo, line: FAR }, osaka: { ...osaka, line: NEAR } },
    makeGateway: (host, site) =>
      new VpnrGateway(host, { ...site, program: PROGRAM, networks: ['10.20.0.0/16'] }),
  });
  await reporting(city.lab, async () => {
    await city.startRelay();
    const configuration = city.clientConfiguration();
    configuration.failover.prefer = 'latency';
    const connection = city.connect(configuration);
    assert.is((await connection.event('connected')).gateway, 'tokyo', 'the first of the list');
    const ends = { client: city.client, server: city.server, address: SERVER_ADDRESS };
    const transfer = await Transfer.start({ ...ends, bytes: 1, rate: RATE, untilTold: true });
    const stream = await Stream.start(ends);
    const moved = async (gateway: GatewayName) => {
      const { cause, ms } = await connection.event('switched', { gateway, timeoutMs: MOVE_MS });
      assert.is(cause, 'latency');
      return ms;
    };
    const there = await moved('osaka');
    city.lab.host('osaka').link('osaka').shape(FAR);
    city.lab.host('tokyo').link('tokyo').shape(NEAR);
    const back = await moved('tokyo');

    const { up, down } = transfer.arrived;
    await transfer.reached(Math.min(up, down) + RATE, TRANSFER_MS);
    const [{ up: out, down: home }, status] = [await stream.finish(), await connection.status()];
    transfer.finish();
    const { up: sent, down: received } = await transfer.result(TRANSFER_MS);
    assert.equal([out.lost, home.lost], [0, 0]);
    assert.equal([status.gateway, status.switches], ['tokyo', 2]);
    const pause = Math.max(sent.longestPauseMs, received.longestPauseMs).toFixed(0);
    figures(
      `latency: switched in ${there} and ${back} ms; 0 of ${out.sent + home.sent} datagrams lost, ` +
        `${out.reordered + home.reordered} late; TCP paused ${pause} ms`,
    );
    assert.is((await connection.stop()).status, 0);
  });
});

test.run();
