import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { VpnrError } from '../errors.js';
import { type CommandResult, findProgram } from './command.js';

/** Lines of output kept in memory; all of it goes to the log file. */
const LINES_KEPT = 20_000;
const WAIT_MS = 60_000;

export interface ProcessOptions {
  /** For messages and the log file. */
  name: string;
  logFile: string;
  env?: Record<string, string>;
  cwd?: string;
}

interface Waiter {
  test: (line: string) => boolean;
  resolve: (line: string) => void;
}

/** A process that runs beside the laboratory: its output is kept, it is ended by its pid only. */
export class LabProcess {
  readonly name: string;
  readonly logFile: string;
  /** What it wrote to standard output, by lines. */
  readonly lines: string[] = [];
  /** What it wrote to standard error, by lines. */
  readonly errors: string[] = [];
  /** Resolves when it has ended and its output has been read. */
  readonly exited: Promise<Pick<CommandResult, 'status' | 'signal'>>;
  readonly #child: ChildProcess;
  readonly #waiters = new Set<Waiter>();
  readonly #listeners = new Set<(line: string) => void>();
  #ended = false;

  constructor(command: readonly string[], options: ProcessOptions) {
    const [program = '', ...args] = command;
    this.name = options.name;
    this.logFile = options.logFile;
    const log = createWriteStream(options.logFile, { flags: 'a' });
    // The laboratory, and its folder with it, may be removed at any moment.
    log.on('error', () => {});
    // A process group of its own, so that Ctrl-C at a terminal reaches only the laboratory, which then ends all.
    this.#child = spawn(findProgram(program) ?? program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, ...options.env },
      cwd: options.cwd,
    });
    this.#child.stdin?.on('error', () => {});
    this.#read(this.#child.stdout, this.lines, log);
    this.#read(this.#child.stderr, this.errors, log);
    this.exited = new Promise(resolve => {
      const end = (status?: number | null, signal?: NodeJS.Signals | null) => {
        this.#ended = true;
        log.end();
        resolve({ status: status ?? undefined, signal: signal ?? undefined });
      };
      this.#child.on('close', end);
      this.#child.on('error', error => {
        this.errors.push(error.message);
        end();
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get running(): boolean {
    return !this.#ended && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Sends a signal, if it still runs. */
  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  /** Sends SIGKILL and waits for the end. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }

  /** Asks it to end and waits; after `timeoutMs` it gets SIGKILL and LAB_FAILED is thrown. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = WAIT_MS): Promise<CommandResult> {
    this.signal(signal);
    return this.ended(timeoutMs);
  }

  /** Waits for the end by itself; after `timeoutMs` it gets SIGKILL and LAB_FAILED is thrown. */
  async ended(timeoutMs = WAIT_MS): Promise<CommandResult> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.signal('SIGKILL');
    }, timeoutMs);
    const result = await this.exited;
    clearTimeout(timer);
    if (late) throw new VpnrError('LAB_FAILED', `${this.name} did not end within ${timeoutMs} ms`);
    return { ...result, stdout: this.lines.join('\n'), stderr: this.errors.join('\n') };
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Calls `listener` with every line of standard output from now on. */
  onLine(listener: (line: string) => void): void {
    this.#listeners.add(listener);
  }

  /**
   * The first line of output, already there or to come, that matches. Throws LAB_FAILED with the last of its
   * output when it ends before or `timeoutMs` pass.
   */
  async line(pattern: RegExp | ((line: string) => boolean), timeoutMs = WAIT_MS): Promise<string> {
    const test = typeof pattern === 'function' ? pattern : (line: string) => pattern.test(line);
    const seen = this.lines.find(test) ?? this.errors.find(test);
    if (seen !== undefined) return seen;
    let waiter: Waiter | undefined;
    let timer: NodeJS.Timeout | undefined;
    const fail = (why: string) =>
      new VpnrError('LAB_FAILED', `${this.name} ${why} without the line ${pattern}\n${this.tail()}`);
    try {
      return await new Promise<string>((resolve, reject) => {
        waiter = { test, resolve };
        this.#waiters.add(waiter);
        timer = setTimeout(() => reject(fail(`ran for ${timeoutMs} ms`)), timeoutMs);
        void this.exited.then(() => reject(fail('ended')));
      });
    } finally {
      clearTimeout(timer);
      if (waiter !== undefined) this.#waiters.delete(waiter);
    }
  }

  /** The last lines of its output, for a report of a failure. */
  tail(count = 30): string {
    const part = (lines: string[]) => lines.slice(-count).map(line => `  ${this.name}: ${line}`);
    return [...part(this.lines), ...part(this.errors)].join('\n');
  }

  #read(stream: NodeJS.ReadableStream | null, kept: string[], log: WriteStream): void {
    let rest = '';
    stream?.setEncoding('utf8');
    const take = (line: string) => {
      kept.push(line);
      if (kept.length > LINES_KEPT) kept.shift();
      for (const listener of this.#listeners) if (kept === this.lines) listener(line);
      for (const waiter of this.#waiters) if (waiter.test(line)) waiter.resolve(line);
    };
    stream?.on('data', (chunk: string) => {
      log.write(chunk);
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) take(line);
    });
    stream?.on('end', () => {
      if (rest !== '') take(rest);
    });
  }
}
