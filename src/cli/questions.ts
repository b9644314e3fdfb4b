/** Asking for what the flags of a command have not said. */
import { createInterface, type Interface } from 'node:readline';
import type * as z from 'zod';
import { VpnrError } from '../errors.js';
import { INTERRUPTED } from './until-stopped.js';

export interface Question {
  /** For the message when there is nobody to ask: "--address". */
  flag: string;
  text: string;
  /** What an empty answer means. Without it an answer is needed. */
  usual?: string;
  /** What is wrong with an answer (one of several); undefined if nothing is. */
  complaint?: (answer: string) => string | undefined;
}

/** As a question's `complaint`: what a value in a configuration is told. */
export function complaintOf(schema: z.ZodType): (answer: string) => string | undefined {
  return answer => schema.safeParse(answer).error?.issues[0]?.message;
}

export interface Terminal {
  input: NodeJS.ReadStream;
  output: NodeJS.WriteStream;
}

/** Asks on a terminal; elsewhere takes what is usual, or says which flags are missing. */
export class Questions {
  readonly #streams: Terminal;
  readonly #missing: string[] = [];
  #terminal: Interface | undefined;
  #lines: AsyncIterator<string> | undefined;

  constructor(streams: Terminal = { input: process.stdin, output: process.stderr }) {
    this.#streams = streams;
  }

  /** Whether there is somebody to ask. */
  get isTerminal(): boolean {
    const { input, output } = this.#streams;
    return input.isTTY === true && output.isTTY === true;
  }

  /** The answer, or `given` when the command line has it already. Throws USAGE when that is wrong. */
  async ask(given: string | undefined, question: Question): Promise<string> {
    const answers = await this.#answers(given === undefined ? given : [given], question, text => [text]);
    return answers[0] ?? '';
  }

  /** As `ask`, for several values; in an answer with commas or blanks between them. */
  askList(given: readonly string[] | undefined, question: Question): Promise<string[]> {
    return this.#answers(given, question, text => text.split(/[\s,]+/).filter(Boolean));
  }

  async #answers(
    given: readonly string[] | undefined,
    { flag, text, usual, complaint = () => undefined }: Question,
    split: (text: string) => string[],
  ): Promise<string[]> {
    if (given !== undefined) {
      for (const value of given) refuse(`${flag} ${value}`, complaint(value));
      return [...given];
    }
    if (!this.isTerminal) {
      if (usual === undefined) this.#missing.push(flag);
      return split(usual ?? '');
    }
    for (;;) {
      const answer = await this.#line(`${text}${usual === undefined ? '' : ` [${usual}]`}: `);
      const values = split(answer.trim() || (usual ?? ''));
      const wrong = values.find(value => value === '' || complaint(value) !== undefined);
      if (values.length > 0 && wrong === undefined) return values;
      if (wrong) this.#streams.output.write(`${wrong}: ${complaint(wrong)}\n`);
    }
  }

  /** To be called when all was asked. Throws USAGE that names what could not be asked for. */
  finish(): void {
    this.#terminal?.close();
    if (this.#missing.length === 0) return;
    throw new VpnrError('USAGE', `missing: ${this.#missing.join(', ')}`, {
      remedy: 'give these flags, or run the command on a terminal, where it asks',
    });
  }

  /** Lines that come before they are asked for are kept. */
  async #line(prompt: string): Promise<string> {
    this.#terminal ??= open(this.#streams);
    this.#lines ??= this.#terminal[Symbol.asyncIterator]();
    this.#terminal.setPrompt(prompt);
    this.#terminal.prompt();
    const { value, done } = await this.#lines.next();
    if (done === true)
      throw new VpnrError('USAGE', 'the questions were not answered: nothing was written', {
        remedy: 'answer them, or give flags in their place: see --help',
      });
    return value;
  }
}

function open({ input, output }: Terminal): Interface {
  const terminal = createInterface({ input, output });
  terminal.once('SIGINT', () => {
    output.write('\n');
    process.exit(INTERRUPTED);
  });
  return terminal;
}

function refuse(what: string, complaint: string | undefined): void {
  if (complaint !== undefined) throw new VpnrError('USAGE', `${what}: ${complaint}`);
}
