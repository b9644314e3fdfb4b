/** The data plane's thread: runs one of the loops until it is told to stop, or fails. */
import { workerData } from 'node:worker_threads';
import { Channel } from './channel.js';
import { ClientLoop } from './client-loop.js';
import { type CommonReport, describeFailure, type WorkerStart } from './messages.js';
import { RelayLoop } from './relay-loop.js';

const start = workerData as WorkerStart;

function post(report: CommonReport): void {
  start.port.postMessage(report);
}

try {
  const { role } = start;
  const loop =
    role.name === 'client'
      ? new ClientLoop(role, new Channel(start))
      : new RelayLoop(role, new Channel(start));
  post({ type: 'ready' });
  loop.run();
} catch (error) {
  post({ type: 'failed', failure: describeFailure(error) });
} finally {
  start.port.close();
}
