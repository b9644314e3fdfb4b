/** A gateway as a configuration describes it. */
import { resolve } from 'node:path';
import type { GatewayConfig } from '../config/gateway.js';
import { type Loaded, loadGatewayConfig } from '../config/load.js';
import { readSecret } from '../config/secrets.js';
import { DEFAULT_IKE_PROPOSALS, ESP_SUITES } from '../config/values.js';
import { EventLog } from '../control/event-log.js';
import { runtimeFolder } from '../control/folders.js';
import { heldCapabilities } from '../io/capabilities.js';
import { monotonicMs } from '../io/clock.js';
import { formatEndpoint } from '../io/sockaddr.js';
import { gatewayFamilies } from '../metrics/families.js';
import { serveMetrics } from '../metrics/serve.js';
import { type Traffic, trafficOf } from '../packet/traffic.js';
import { reload } from '../service/reload.js';
import { Roster, type RosterChange } from '../service/roster.js';
import { answerControl, runServer, type ServerLife } from '../service/run.js';
import type { GatewayEvent, GatewayStatus } from './server-api.js';
import { GatewayService } from './service.js';

/** What `vpnr status` shows of a gateway: plain data, ready for JSON. */
export interface GatewayServiceStatus extends Omit<GatewayStatus, 'counters'> {
  role: 'gateway';
  name: string;
  pid: number;
  device: string;
  listen: string;
  identity: string;
  pool: string;
  networks: readonly string[];
  uptimeMs: number;
  /** Rights that a thread of it holds. */
  capabilities: string[];
  traffic: Traffic;
}

/**
 * Serves until `signal` is aborted or `vpnr disconnect` asks for the end; then the tunnels are deleted, and everything is
 * put back. Throws what made it impossible, after the same clean-up.
 */
export function runGateway(
  loaded: Loaded<GatewayConfig>,
  signal: AbortSignal,
  emit: (event: GatewayEvent) => void,
): Promise<void> {
  const events = new EventLog('gateway');
  const tell = (event: GatewayEvent) => {
    events.record(event);
    emit(event);
  };
  const notice = (message: string) => tell({ type: 'notice', message });
  return runServer(signal, notice, life => setUp(loaded, { events, tell }, life));
}

/** Builds the gateway up, each part with the step that takes it down again. */
async function setUp(
  loaded: Loaded<GatewayConfig>,
  { events, tell }: { events: EventLog; tell(event: GatewayEvent): void },
  life: ServerLife,
): Promise<void> {
  const { config } = loaded;
  const { name, device, identity, pool, networks, lifetimes } = config;
  const began = monotonicMs();
  const clients = readKeys(loaded);
  life.cleanUp.add(() => clients.wipe());
  const listen = { address: config.listen.host, port: config.listen.port };
  const service = await GatewayService.start({
    name,
    device,
    listen,
    identity,
    pool,
    networks,
    dns: config.dns,
    clients,
    ike: DEFAULT_IKE_PROPOSALS,
    esp: ESP_SUITES,
    lifetimes: { ikeMs: lifetimes.ike, childMs: lifetimes.child },
    silenceMs: config.silence,
    runDirectory: runtimeFolder(),
    onEvent: event => {
      tell(event);
      if (event.type === 'failed') life.fail(event.error);
    },
  });
  life.cleanUp.add(async () => {
    const [error] = await service.stop();
    if (error !== undefined) throw error;
  });
  const status = (): GatewayServiceStatus => {
    const { counters, ...status } = service.status();
    return {
      role: 'gateway',
      name,
      pid: process.pid,
      device,
      listen: formatEndpoint(listen),
      identity,
      pool,
      networks,
      uptimeMs: Math.round(monotonicMs() - began),
      ...status,
      capabilities: heldCapabilities(),
      traffic: trafficOf(counters),
    };
  };
  await serveMetrics(config.metrics, events, life.cleanUp, tally =>
    gatewayFamilies(status(), clients.names, tally),
  );
  const reloading = {
    config,
    clients,
    load: () => loadGatewayConfig(resolve(loaded.file)),
    readClients: readKeys,
    clientsChanged: (change: RosterChange) => service.clientsChanged(change),
    tell,
  };
  const handlers = {
    status,
    events,
    drain: () => service.drain(),
    reload: () => reload(reloading),
  };
  await answerControl('gateway', name, life, handlers);
}

function readKeys({ config, folder }: Loaded<GatewayConfig>): Roster {
  return Roster.read(
    config.clients.map(({ identity, psk }) => [
      identity,
      () => readSecret(psk, folder, `the pre-shared key of client ${identity}`),
    ]),
  );
}
