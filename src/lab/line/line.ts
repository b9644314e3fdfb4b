/**
 * Lines with delay, jitter, loss and a rate, in user space: this works on kernels without netem. A line is a pair of
 * TAP devices, joined by a thread; one thread serves all lines of a laboratory.
 */
import type { Worker } from 'node:worker_threads';
import { startWorker } from '../../assets.js';
import { EventFd } from '../../io/eventfd.js';
import { insideNamespace } from '../../io/namespace.js';
import { openTap, setCarrier, type TunDevice } from '../../io/tun.js';
import type { LinesStart } from './loop.js';
import {
  clearSettings,
  LANE_SIZE,
  type LaneCounters,
  type LaneMemory,
  type LaneSettings,
  type LinePlan,
  readCounters,
  writeSettings,
} from './settings.js';

/** As seen from the host: `in` is what it receives, `out` what it sends. */
export type Direction = 'in' | 'out' | 'both';

export class Line {
  readonly #devices: readonly TunDevice[];
  readonly #lanes: Record<'in' | 'out', LaneMemory>;

  constructor(devices: readonly TunDevice[], lanes: Record<'in' | 'out', LaneMemory>) {
    this.#devices = devices;
    this.#lanes = lanes;
  }

  /** Changes what is given from now on; frames on their way keep their times. Throws LAB_FAILED. */
  shape(settings: LaneSettings, direction: Direction = 'both'): void {
    if (direction !== 'out') writeSettings(this.#lanes.in, settings);
    if (direction !== 'in') writeSettings(this.#lanes.out, settings);
  }

  /** Plugs the cable out at both ends, or in again. */
  setCarrier(on: boolean): void {
    for (const device of this.#devices) setCarrier(device, on);
  }

  get counters(): Record<'in' | 'out', LaneCounters> {
    return { in: readCounters(this.#lanes.in), out: readCounters(this.#lanes.out) };
  }
}

/** The names that the two TAP devices of a line get, and what it does. */
export interface LineStart {
  host: string;
  port: string;
  plan: LinePlan;
}

/** All lines of a laboratory, and the thread that serves them. */
export class Lines {
  /** In the order in which they were asked for. */
  readonly lines: readonly Line[];
  readonly #devices: readonly TunDevice[];
  readonly #wake = new EventFd();
  readonly #stop = new SharedArrayBuffer(4);
  readonly #worker: Worker;
  /** The runtime cannot interrupt a thread that waits in a system call: at its end the process would wait for it. */
  readonly #atExit = () => this.#end();

  /** Makes the devices in the namespace of the file; they may be moved to others afterwards. */
  constructor(namespace: string, starts: readonly LineStart[]) {
    const numbers = new SharedArrayBuffer(starts.length * 2 * LANE_SIZE * 8);
    const pairs = insideNamespace(namespace, () =>
      starts.map(({ host, port }) => ({ host: openTap(host), port: openTap(port) })),
    );
    this.#devices = pairs.flatMap(({ host, port }) => [host, port]);
    this.lines = pairs.map(({ host, port }, index) => {
      const lanes = {
        in: new Float64Array(numbers, index * 2 * LANE_SIZE * 8, LANE_SIZE),
        out: new Float64Array(numbers, (index * 2 + 1) * LANE_SIZE * 8, LANE_SIZE),
      };
      clearSettings(lanes.in);
      clearSettings(lanes.out);
      const line = new Line([host, port], lanes);
      const { in: inwards = {}, out: outwards = {}, seed: _, ...both } = starts[index]?.plan ?? {};
      line.shape(both);
      line.shape(inwards, 'in');
      line.shape(outwards, 'out');
      return line;
    });
    const workerData: LinesStart = {
      lanes: pairs.flatMap(({ host, port }, index) => {
        const seed = (starts[index]?.plan.seed ?? index) * 4;
        return [
          { from: port.fd, to: host.fd, seed },
          { from: host.fd, to: port.fd, seed: seed + 2 },
        ];
      }),
      numbers,
      stop: this.#stop,
      wakeFd: this.#wake.fd,
    };
    this.#worker = startWorker('lab/line/worker.js', { name: 'vpnr-lines', workerData });
    this.#worker.unref();
    this.#worker.once('exit', () => {
      process.off('exit', this.#atExit);
      for (const device of this.#devices) device.close();
      this.#wake.close();
    });
    process.once('exit', this.#atExit);
  }

  /** Does not wait: the devices disappear when the thread has ended. */
  close(): void {
    this.#end();
  }

  #end(): void {
    Atomics.store(new Int32Array(this.#stop), 0, 1);
    this.#wake.signal();
  }
}
