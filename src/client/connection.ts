import { resolve } from 'node:path';
import type { ClientConfig } from '../config/client.js';
import type { Loaded } from '../config/load.js';
import { readSecret } from '../config/secrets.js';
import { aborted } from '../control/aborted.js';
import { CleanUp } from '../control/clean-up.js';
import { EventLog } from '../control/event-log.js';
import { runtimeFolder } from '../control/folders.js';
import { ControlServer } from '../control/server.js';
import type { ClientEvents } from '../dataplane/api.js';
import { createClientDataPlane } from '../dataplane/client.js';
import { NetworkChanges } from '../io/changes.js';
import { monotonicMs } from '../io/clock.js';
import { Journal } from '../io/journal.js';
import { connectionFamilies } from '../metrics/families.js';
import { serveMetrics } from '../metrics/serve.js';
import { readAuthority } from '../relay/trust.js';
import type { Secret } from '../secret.js';
import { Device, deviceMtu } from './device.js';
import type { ConnectionEvent } from './events.js';
import { KillSwitch } from './kill-switch.js';
import { NameService } from './name-service.js';
import { refuseSharedIdentity } from './neighbours.js';
import { NetworkWatch } from './network-watch.js';
import { GatewayResolver } from './resolver.js';
import { Supervisor } from './supervisor.js';

/** How long the start waits for name servers. */
const LOOK_UP_MS = 2000;

export interface ConnectionOptions {
  /** Go on for ever even if no gateway can be connected in the first round. */
  persist: boolean;
  emit(event: ConnectionEvent): void;
}

/** Whoever asks for the end asks for the end of the kill switch; after a failure it stays. */
interface KillSwitchState {
  /** Configured. */
  on: boolean;
  /** There is one, and it is not to be put back at the end. */
  stays: boolean;
}

interface Parts {
  cleanUp: CleanUp;
  farewell: CleanUp;
  events: EventLog;
  killSwitch: KillSwitchState;
}

interface Secrets {
  psks: Secret[];
  relayToken: Secret | undefined;
  relayCa: string | undefined;
}

/**
 * Connects, and keeps connected until `signal` is aborted or `vpnr disconnect` asks for the end; then everything is
 * put back. Throws what made it impossible, after the same clean-up.
 */
export async function runConnection(
  loaded: Loaded<ClientConfig>,
  signal: AbortSignal,
  options: ConnectionOptions,
): Promise<void> {
  const cleanUp = new CleanUp();
  // Whoever asked for the end, or follows the events, is told last.
  const farewell = new CleanUp();
  const events = new EventLog('client');
  const emit = (event: ConnectionEvent) => {
    events.record(event);
    options.emit(event);
  };
  let started = false;
  const killSwitch: KillSwitchState = { on: loaded.config.tunnel.kill_switch, stays: false };
  try {
    const stop = await setUp(loaded, { ...options, emit }, { cleanUp, farewell, events, killSwitch });
    started = true;
    await Promise.race([stop.failure, aborted(AbortSignal.any([signal, stop.signal]))]);
    killSwitch.stays &&= signal.reason instanceof Error;
    emit({ event: 'disconnecting', reason: describeReason(signal.reason ?? stop.signal.reason) });
  } finally {
    const began = monotonicMs();
    for (const error of await cleanUp.run()) {
      emit({ event: 'notice', message: `could not put everything back: ${error.message}` });
    }
    if (killSwitch.stays) emit({ event: 'notice', message: describeKillSwitch(loaded.config.name) });
    if (started) emit({ event: 'disconnected', ms: Math.round(monotonicMs() - began) });
    await farewell.run();
  }
}

/** Builds the connection up, each part with the step that takes it down again, and starts it. */
async function setUp(
  loaded: Loaded<ClientConfig>,
  options: ConnectionOptions,
  { cleanUp, farewell, events, killSwitch: state }: Parts,
): Promise<{ failure: Promise<never>; signal: AbortSignal }> {
  const { config } = loaded;
  const secrets = readSecrets(loaded);
  cleanUp.add(() => wipe(secrets));
  const journal = Journal.open(config.name, runtimeFolder());
  cleanUp.add(() => journal.close());
  await refuseSharedIdentity(config);
  // A predecessor's kill switch stays while there is none of our own, also when nothing comes of this connection.
  state.stays = state.on && journal.entries.some(({ undo }) => undo.kind === 'table');
  const changes = new NetworkChanges(journal, config.tunnel.device);
  cleanUp.add(() => undoAll(changes, state.stays));
  // What a predecessor left that ended without clean-up; but not its kill switch, which is taken over.
  await undoAll(changes, state.on);
  const nameService = new NameService(config, changes, message => options.emit({ event: 'notice', message }));
  const killSwitch = state.on ? await KillSwitch.engage(config, changes, nameService) : undefined;
  state.stays = state.on;

  const resolver = new GatewayResolver(host => nameService.lookUp(host));
  // A name that cannot be found yet does not hinder the others.
  const addresses = await resolver.resolveAll(config.gateways, LOOK_UP_MS);
  const device = await Device.create(config, changes, await deviceMtu(config, addresses));
  cleanUp.add(() => device.close());
  const plane = createClientDataPlane();
  let supervisor: Supervisor | undefined;
  const watch = await NetworkWatch.start(
    { device: device.name, changes },
    {
      linkDown: paths => supervisor?.linkDown(paths),
      networkChanged: moved => {
        killSwitch?.refresh().catch((error: unknown) => supervisor?.fail(error));
        supervisor?.networkChanged(moved);
      },
      resumed: sleptMs => supervisor?.resumed(sleptMs),
      failed: ({ message }) => supervisor?.notice(`the network cannot be watched: ${message}`),
    },
  );
  cleanUp.add(() => watch.stop());
  const parts = { config, resolver, plane, device, changes, watch, killSwitch, nameService };
  const started = new Supervisor({ ...parts, ...secrets, ...options });
  supervisor = started;
  await plane.start(device, eventsFor(started));
  cleanUp.add(() => plane.stop());
  await serveMetrics(config.metrics, events, cleanUp, tally => connectionFamilies(started.status(), tally));
  const disconnect = new AbortController();
  const control = await ControlServer.listen(config.name, {
    status: () => started.status(),
    events,
    disconnect: () => disconnect.abort('vpnr disconnect'),
    switchTo: gateway => started.switchTo(gateway),
  });
  farewell.add(() => control.close());
  cleanUp.add(() => started.stop());
  started.start();
  return { failure: started.failure, signal: disconnect.signal };
}

function eventsFor(supervisor: Supervisor): ClientEvents {
  return {
    ike: (path, datagram) => supervisor.receiveIke(path, datagram),
    probeReply: (path, id, roundTripMs, heardMsAgo) =>
      supervisor.probeReply(path, id, roundTripMs, heardMsAgo),
    suspected: () => supervisor.suspected(),
    switched: (path, _epoch, _ms, answered) => supervisor.switched(path, answered),
    drain: () => supervisor.drain(),
    traffic: (sent, received) => supervisor.traffic(sent, received),
    pathError: path => supervisor.pathError(path),
    failed: error => supervisor.fail(error),
  };
}

function readSecrets({ config, folder }: Loaded<ClientConfig>): Secrets {
  return {
    psks: config.gateways.map(({ name, auth }) =>
      readSecret(auth.psk, folder, `the pre-shared key of gateway ${name}`),
    ),
    relayToken: config.relay && readSecret(config.relay.token, folder, 'the relay token'),
    relayCa: config.relay?.ca === undefined ? undefined : readAuthority(resolve(folder, config.relay.ca)),
  };
}

function wipe({ psks, relayToken }: Secrets): void {
  for (const psk of psks) psk.wipe();
  relayToken?.wipe();
}

async function undoAll(changes: NetworkChanges, withoutKillSwitch: boolean): Promise<void> {
  const [error] = await changes.undoAll(withoutKillSwitch ? 'table' : undefined);
  if (error !== undefined) throw error;
}

function describeKillSwitch(name: string): string {
  return `the kill switch stays on: nothing leaves but to the gateways until "vpnr connect" or "vpnr disconnect ${name}"`;
}

function describeReason(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}
