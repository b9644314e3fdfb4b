/** The data plane's thread: runs one of the loops until it is told to stop, or fails. */
import { workerData } from 'node:worker_threads';
import { Channel } from './channel.js';
import { ClientLoop } from './client-loop.js';
import { GatewayLoop } from './gateway-loop.js';
import { type CommonReport, describeFailure, type WorkerStart } from './messages.js';
import { RelayLoop } from './relay-loop.js';

const start = workerData as WorkerStart;

function loopFor(role: WorkerStart['role']): { run(): void } {
  switch (role.name) {
    case 'client':
      return new ClientLoop(role, new Channel(start));
    case 'relay':
      return new RelayLoop(role, new Channel(start));
    case 'gateway':
      return new GatewayLoop(role, new Channel(start));
  }
}

function post(report: CommonReport): void {
  start.port.postMessage(report);
}

try {
  const { role } = start;
  const loop = loopFor(role);
  post({ type: 'ready' });
  loop.run();
} catch (error) {
  post({ type: 'failed', failure: describeFailure(error) });
} finally {
  start.port.close();
}
