/**
 * Connections, relays and gateways without oclif, which takes longer to load than all that they need: while a relay is started anew,
 * its clients wait.
 */
import { loadClientConfig, loadGatewayConfig, loadRelayConfig } from '../config/load.js';
import { name as nameSchema } from '../config/values.js';
import { toVpnrError, VpnrError } from '../errors.js';
import type { ServiceLine } from './service-line.js';
import { runService } from './serving.js';
import { tellFailure } from './tell.js';

/** Runs it to its end. */
export async function serve(line: ServiceLine): Promise<void> {
  try {
    await run(line);
  } catch (error) {
    tellFailure(toVpnrError(error), error, line.json);
  }
}

async function run({ command, config: file, json, name, persist }: ServiceLine): Promise<void> {
  switch (command) {
    case 'connect': {
      const loaded = loadClientConfig(file);
      const { runConnection } = await import('../client/connection.js');
      const config = name === undefined ? loaded.config : { ...loaded.config, name: checkedName(name) };
      return runService('client', json, (signal, emit) =>
        runConnection({ ...loaded, config }, signal, { persist, emit }),
      );
    }
    case 'relay': {
      const loaded = loadRelayConfig(file);
      const { runRelay } = await import('../relay/run.js');
      return runService('relay', json, (signal, emit) => runRelay(loaded, signal, emit));
    }
    case 'gateway': {
      const loaded = loadGatewayConfig(file);
      const { runGateway } = await import('../gateway/run.js');
      return runService('gateway', json, (signal, emit) => runGateway(loaded, signal, emit));
    }
  }
}

function checkedName(name: string): string {
  const result = nameSchema.safeParse(name);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new VpnrError('USAGE', `--name ${name}: ${issue?.message}`, { remedy: 'see vpnr connect --help' });
}
