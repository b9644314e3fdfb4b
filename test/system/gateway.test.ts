import * as assert from 'uvu/assert';
import { City, GATEWAYS, SERVER_ADDRESS, Transfer, VpnrGateway } from '../../src/lab/index.js';
import { figures, PROGRAM, systemTests } from './support.js';

const test = systemTests();

/** Each direction carries at least this much. */
const BYTES = 40_000_000;
const FAULT_AT = 20_000_000;
const TRANSFER_MS = 60_000;

/** The usual city with vpnr's own gateways. */
async function withOwnGateways(
  body: (city: City<keyof typeof GATEWAYS, VpnrGateway>) => Promise<void>,
): Promise<void> {
  const city = await City.build({
    program: PROGRAM,
    sites: GATEWAYS,
    makeGateway: (host, identity) => {
      const { outer: address } = GATEWAYS[host.name as keyof typeof GATEWAYS];
      const networks = ['10.20.0.0/16'];
      return new VpnrGateway(host, { ...identity, program: PROGRAM, address, networks });
    },
  });
  try {
    await body(city);
  } catch (error) {
    console.log(city.lab.tails());
    throw error;
  } finally {
    city.close();
  }
}

const FAULTS = { kill: 'is killed', stop: 'is stopped' } as const;
for (const fault of ['kill', 'stop'] as const) {
  test(`a transfer survives when a gateway of vpnr's own ${FAULTS[fault]}`, () =>
    withOwnGateways(async city => {
      await city.startRelay();
      const connection = city.connect();
      const connected = await connection.event('connected');
      const { client, server } = city;
      const transfer = await Transfer.start({
        client,
        server,
        address: SERVER_ADDRESS,
        bytes: BYTES,
        untilTold: true,
      });
      await transfer.reached(FAULT_AT, TRANSFER_MS);
      await city.gateways.tokyo[fault]();
      const failed = await connection.event('gateway-failed', { gateway: 'tokyo' });
      if (fault === 'stop') assert.is(failed.reason, 'closed-by-gateway');
      const switched = await connection.event('switched', { gateway: 'osaka' });
      transfer.finish();
      const { up, down } = await transfer.result(TRANSFER_MS);
      const pause = Math.max(up.longestPauseMs, down.longestPauseMs).toFixed(0);
      figures(
        `${fault}: connected in ${connected.ms} ms; detected ${failed.ms} ms after the last sign of life ` +
          `(${failed.reason}), switched ${switched.ms} ms later; TCP paused ${pause} ms`,
      );
      assert.is((await connection.stop()).status, 0);
    }));
}

test.run();
