/** A relay from start to end: what it takes from the system it gives back, on every way out. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Loaded, loadRelayConfig } from '../config/load.js';
import type { RelayConfig } from '../config/relay.js';
import { readPrivateFile, readSecret } from '../config/secrets.js';
import { EventLog } from '../control/event-log.js';
import { runtimeFolder, stateFolder } from '../control/folders.js';
import { VpnrError } from '../errors.js';
import { heldCapabilities } from '../io/capabilities.js';
import { monotonicMs } from '../io/clock.js';
import { formatEndpoint } from '../io/sockaddr.js';
import { relayFamilies } from '../metrics/families.js';
import { serveMetrics } from '../metrics/serve.js';
import { type Traffic, trafficOf } from '../packet/traffic.js';
import { Secret } from '../secret.js';
import { reload } from '../service/reload.js';
import { Roster, type RosterChange } from '../service/roster.js';
import { answerControl, runServer, type ServerLife } from '../service/run.js';
import type { RelayEvent, RelayStatus } from './server-api.js';
import { RelayService } from './service.js';

/** What `vpnr status` shows of a relay: plain data, ready for JSON. */
export interface RelayServiceStatus extends Omit<RelayStatus, 'counters'> {
  role: 'relay';
  name: string;
  pid: number;
  device: string;
  listen: string;
  pool: string;
  fingerprint: string;
  uptimeMs: number;
  /** Rights that a thread of it holds. */
  capabilities: string[];
  traffic: Traffic;
}

/**
 * Serves until `signal` is aborted or `vpnr disconnect` asks for the end; then clients are told to leave, and everything
 * is put back. Throws what made it impossible, after the same clean-up.
 */
export function runRelay(
  loaded: Loaded<RelayConfig>,
  signal: AbortSignal,
  emit: (event: RelayEvent) => void,
): Promise<void> {
  const events = new EventLog('relay');
  const tell = (event: RelayEvent) => {
    events.record(event);
    emit(event);
  };
  const notice = (message: string) => tell({ type: 'notice', message });
  return runServer(signal, notice, life => setUp(loaded, { events, tell }, life));
}

/** Builds the relay up, each part with the step that takes it down again. */
async function setUp(
  loaded: Loaded<RelayConfig>,
  { events, tell }: { events: EventLog; tell(event: RelayEvent): void },
  life: ServerLife,
): Promise<void> {
  const { cleanUp } = life;
  const { config, folder } = loaded;
  const { name, pool, device } = config;
  const began = monotonicMs();
  const certificate = readCertificate(resolve(folder, config.certificate));
  const key = new Secret(readPrivateFile(resolve(folder, config.key), "the relay's key"));
  cleanUp.add(() => key.wipe());
  const clients = readTokens(loaded);
  cleanUp.add(() => clients.wipe());
  const listen = { address: config.listen.host, port: config.listen.port };

  const service = await RelayService.start({
    name,
    device,
    listen,
    pool,
    certificate,
    key,
    clients,
    stateDirectory: config.state === undefined ? resolve(stateFolder(), name) : resolve(folder, config.state),
    ipip: config.trust_network,
    replay: {
      bytes: config.replay.bytes,
      sessionBytes: config.replay.per_client,
      ageMs: config.replay.age,
    },
    lifetimeMs: config.idle,
    runDirectory: runtimeFolder(),
    onEvent: event => {
      tell(event);
      if (event.type === 'failed') life.fail(event.error);
    },
  });
  cleanUp.add(async () => {
    const [error] = await service.stop();
    if (error !== undefined) throw error;
  });
  const status = (): RelayServiceStatus => {
    const { counters, ...status } = service.status();
    return {
      role: 'relay',
      name,
      pid: process.pid,
      device,
      listen: formatEndpoint(listen),
      pool,
      fingerprint: service.fingerprint,
      uptimeMs: Math.round(monotonicMs() - began),
      ...status,
      capabilities: heldCapabilities(),
      traffic: trafficOf(counters),
    };
  };
  await serveMetrics(config.metrics, events, life.cleanUp, tally =>
    relayFamilies(status(), clients.names, tally),
  );
  const reloading = {
    config,
    clients,
    load: () => loadRelayConfig(resolve(loaded.file)),
    readClients: readTokens,
    clientsChanged: (change: RosterChange) => service.clientsChanged(change),
    tell,
  };
  const handlers = {
    status,
    events,
    drain: () => service.drain(),
    reload: () => reload(reloading),
  };
  await answerControl('relay', name, life, handlers);
}

function readTokens({ config, folder }: Loaded<RelayConfig>): Roster {
  return Roster.read(
    config.clients.map(({ identity, token }) => [
      identity,
      () => readSecret(token, folder, `the token of client ${identity}`),
    ]),
  );
}

/** The text of a PEM file that begins with a certificate. Throws CERTIFICATE_INVALID. */
export function readCertificate(path: string): string {
  try {
    const pem = readFileSync(path, 'utf8');
    // Throws unless it begins with a certificate.
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    throw new VpnrError(
      'CERTIFICATE_INVALID',
      `the relay's certificate ${path}: ${(error as Error).message}`,
      {
        remedy: 'correct "certificate" in the configuration, or make one with `vpnr init relay`',
        cause: error,
      },
    );
  }
}
