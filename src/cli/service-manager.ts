/** systemd, or another service manager that speaks its protocol (sd_notify(3), sd_watchdog_enabled(3)). */
import type { LoggedEvent } from '../control/event-log.js';
import { NotifySocket } from '../io/notify.js';
import { describeLogged } from './render-log.js';

/** Packets can pass from then on: of a connection, and of relay and gateway. */
const READY = ['connected', 'listening'];
const RETRY_MS = 100;

export class ServiceManager {
  readonly #socket: NotifySocket;
  readonly #watching: NodeJS.Timeout | undefined;
  /** Assignments that the manager has not taken yet: its queue holds few datagrams. */
  #waiting: string[] = [];
  #retry: NodeJS.Timeout | undefined;

  private constructor(socket: NotifySocket, watchdogMs: number | undefined, answers: () => boolean) {
    this.#socket = socket;
    if (watchdogMs === undefined) return;
    // Half the time, so that one message may be late. It comes from the loop that does all the work of this thread.
    this.#watching = setInterval(() => {
      if (answers()) socket.tell('WATCHDOG=1');
    }, watchdogMs / 2);
    this.#watching.unref();
  }

  /**
   * Undefined unless there is one. `answers`: whether what else has to work does. Takes NOTIFY_SOCKET out of the environment: it
   * is not for programs that this one runs.
   */
  static fromEnvironment(environment: NodeJS.ProcessEnv, answers: () => boolean): ServiceManager | undefined {
    const { NOTIFY_SOCKET: name, WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = environment;
    if (!name) return undefined;
    delete environment.NOTIFY_SOCKET;
    const watched = Number(microseconds) > 0 && (pid === undefined || Number(pid) === process.pid);
    return new ServiceManager(
      new NotifySocket(name),
      watched ? Number(microseconds) / 1000 : undefined,
      answers,
    );
  }

  take(event: LoggedEvent): void {
    // Only the last state is worth telling.
    this.#waiting = this.#waiting.filter(assignment => !assignment.startsWith('STATUS='));
    if (READY.includes(event.event)) this.#waiting.push('READY=1');
    this.#waiting.push(`STATUS=${describeLogged(event).replaceAll('\n', ' ')}`);
    this.#tell();
  }

  stopping(): void {
    this.#waiting.push('STOPPING=1');
    this.#tell();
  }

  close(): void {
    clearInterval(this.#watching);
    clearTimeout(this.#retry);
    this.#socket.close();
  }

  #tell(): void {
    clearTimeout(this.#retry);
    if (this.#waiting.length === 0) return;
    if (this.#socket.tell(...this.#waiting)) this.#waiting = [];
    else this.#retry = setTimeout(() => this.#tell(), RETRY_MS).unref();
  }
}
