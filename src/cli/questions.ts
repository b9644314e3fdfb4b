/** Asking for what the flags of a command have not said. */
import { createInterface, type Interface } from 'node:readline';
import { VpnrError } from '../errors.js';
import { INTERRUPTED } from './until-stopped.js';

export interface Question {
  /** For the message when there is nobody to ask: "--address". */
  flag: string;
  text: string;
  /** What an empty answer means. Without it an answer is needed. */
  usual?: string;
}

/** Asks on a terminal; elsewhere takes what is usual, or says which flags are missing. */
export class Questions {
  readonly #isTerminal = process.stdin.isTTY === true && process.stderr.isTTY === true;
  readonly #missing: string[] = [];
  #terminal: Interface | undefined;
  #lines: AsyncIterator<string> | undefined;

  /** The answer, or `given` when the command line has it already. */
  async ask(given: string | undefined, { flag, text, usual }: Question): Promise<string> {
    if (given !== undefined) return given;
    if (!this.#isTerminal) {
      if (usual === undefined) this.#missing.push(flag);
      return usual ?? '';
    }
    for (;;) {
      const answer =
        (await this.#line(`${text}${usual === undefined ? '' : ` [${usual}]`}: `)).trim() || usual;
      if (answer !== undefined) return answer;
    }
  }

  /** As `ask`, for several values, with commas or blanks between them. */
  async askList(given: readonly string[] | undefined, question: Question): Promise<string[]> {
    const answer = await this.ask(given?.join(' '), question);
    return answer.split(/[\s,]+/).filter(Boolean);
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
    this.#terminal ??= open();
    this.#lines ??= this.#terminal[Symbol.asyncIterator]();
    this.#terminal.setPrompt(prompt);
    this.#terminal.prompt();
    const { value, done } = await this.#lines.next();
    if (done === true) throw new VpnrError('USAGE', 'the questions were not answered: nothing was written');
    return value;
  }
}

function open(): Interface {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.once('SIGINT', () => {
    process.stderr.write('\n');
    process.exit(INTERRUPTED);
  });
  return terminal;
}
