/** The main thread's hold on a data plane worker: its life, the way to it and the way back. */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { startWorker } from '../assets.js';
import { toVpnrError, VpnrError } from '../errors.js';
import { EventFd } from '../io/eventfd.js';
import { counterIndices } from '../packet/counters.js';
import { type CommonReport, restoreFailure, type StopCommand, type WorkerStart } from './messages.js';
import { describeOffloads, type Offloads } from './offloads.js';
import { SharedState } from './shared.js';

/** The worker's garbage is numbers, short-lived: a space that stays in the processor's cache is best. */
const YOUNG_GENERATION_MB = 1;

const running = new Set<{ answered(): boolean }>();

/** Whether each worker of this process has gone round its loop since this was asked last. */
export function workersAnswer(): boolean {
  return [...running].map(worker => worker.answered()).every(answered => answered);
}

export interface HostEvents<Report> {
  report(report: Report): void;
  /** The worker does nothing any more. Called at most once, and not because of `stop`. */
  failed(error: VpnrError): void;
}

/** `Command` and `Report`: what the worker takes and gives besides what all workers do. */
export class WorkerHost<Command, Report extends { type: string }> {
  readonly shared = new SharedState();
  readonly #events: HostEvents<Report>;
  readonly #wake = new EventFd();
  readonly #port: MessagePort;
  readonly #ready: Promise<void>;
  readonly #exited: Promise<void>;
  #starting: { resolve(): void; reject(error: VpnrError): void } | undefined;
  #ended = false;
  #stopped: Promise<void> | undefined;
  #turns = -1;
  readonly #atExit = () => this.#post({ type: 'stop' });

  private constructor(role: WorkerStart['role'], events: HostEvents<Report>) {
    this.#events = events;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#ready = new Promise((resolve, reject) => {
      this.#starting = { resolve, reject };
    });
    const workerData: WorkerStart = { role, port: port2, wakeFd: this.#wake.fd, shared: this.shared.buffer };
    const worker = startWorker('dataplane/worker.js', {
      name: `vpnr-${role.name}`,
      workerData,
      transferList: [port2],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    port1.on('message', (report: Report | CommonReport) => this.#receive(report));
    worker.on('error', error => this.#end(toVpnrError(error)));
    this.#exited = new Promise(resolve => {
      worker.once('exit', () => {
        // What it posted last may not have been seen yet, and says why it ended.
        for (let last = receiveMessageOnPort(port1); last !== undefined; last = receiveMessageOnPort(port1)) {
          this.#receive(last.message);
        }
        this.#end(new VpnrError('INTERNAL', 'the data plane ended without being asked to'));
        resolve();
      });
    });
    // The runtime cannot interrupt a worker that waits in a system call: at its end the process would wait for it.
    process.once('exit', this.#atExit);
    running.add(this);
  }

  /** Starts a worker; resolves when it is ready to work. */
  static async start<Command, Report extends { type: string }>(
    role: WorkerStart['role'],
    events: HostEvents<Report>,
  ): Promise<WorkerHost<Command, Report>> {
    const host = new WorkerHost<Command, Report>(role, events);
    try {
      await host.#ready;
    } catch (error) {
      await host.stop();
      throw error;
    }
    return host;
  }

  /** Whether the worker may be using descriptors. */
  get running(): boolean {
    return !this.#ended;
  }

  /** Posts a command, to be carried out after those before it. No effect once the worker has failed or was stopped. */
  post(command: Command, transfer: readonly ArrayBuffer[] = []): void {
    if (this.#stopped === undefined) this.#post(command, transfer);
  }

  /** Whether the worker has gone round its loop since this was asked last. Wakes it, so that it does before the next time. */
  answered(): boolean {
    const { turns } = this.shared;
    const answered = turns !== this.#turns;
    this.#turns = turns;
    if (!this.#ended) this.#wake.signal();
    return answered;
  }

  /** Every counter by name. */
  counters(): Record<string, number> {
    const result: Record<string, number> = {};
    for (const [name, index] of counterIndices) result[name] = Number(this.shared.counters[index]);
    return result;
  }

  /** In use, as of the worker's last turn. */
  offloads(): Offloads {
    return describeOffloads(this.shared.offloads);
  }

  /** Resolves once the worker has ended and uses no descriptor any more. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    running.delete(this);
    this.#post({ type: 'stop' });
    await this.#exited;
    process.off('exit', this.#atExit);
    this.#port.close();
    this.#wake.close();
  }

  #post(command: Command | StopCommand, transfer: readonly ArrayBuffer[] = []): void {
    if (this.#ended) return;
    this.#port.postMessage(command, transfer);
    this.#wake.signal();
  }

  #receive(report: Report | CommonReport): void {
    const common = report as CommonReport;
    if (common.type === 'ready') {
      this.#starting?.resolve();
      this.#starting = undefined;
    } else if (common.type === 'failed') this.#end(restoreFailure(common.failure));
    else if (this.#stopped === undefined && !this.#ended) this.#events.report(report as Report);
  }

  #end(error: VpnrError): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#stopped !== undefined) return;
    if (this.#starting !== undefined) this.#starting.reject(error);
    else this.#events.failed(error);
  }
}
