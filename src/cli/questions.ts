/** Asking for what the flags of a command have not said. */
import { createInterface } from 'node:readline/promises';
import { VpnrError } from '../errors.js';
import { INTERRUPTED } from './base.js';

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
    if (this.#missing.length === 0) return;
    throw new VpnrError('USAGE', `missing: ${this.#missing.join(', ')}`, {
      remedy: 'give these flags, or run the command on a terminal, where it asks',
    });
  }

  async #line(prompt: string): Promise<string> {
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    const interrupted = new Promise<never>((_, reject) => {
      const stop = () => reject(new VpnrError('USAGE', 'interrupted: nothing was written'));
      terminal.once('SIGINT', () => {
        process.stderr.write('\n');
        process.exit(INTERRUPTED);
      });
      // The end of the input.
      terminal.once('close', stop);
    });
    try {
      return await Promise.race([terminal.question(prompt), interrupted]);
    } finally {
      interrupted.catch(() => {});
      terminal.close();
    }
  }
}
