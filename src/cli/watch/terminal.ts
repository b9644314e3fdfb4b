/** A picture on a terminal's alternate screen, drawn over the one before. */
import type { WriteStream } from 'node:tty';

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[2J';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_REST = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
/** Exit status of a process that SIGQUIT ended. */
const QUIT = 131;

export class Terminal {
  readonly #out: WriteStream;
  readonly #draw: (size: { columns: number; rows: number }) => string[];
  readonly #leave = () => void this.#out.write(LEAVE);
  readonly #redraw = () => this.draw();
  readonly #quit = () => process.exit(QUIT);
  /** Ctrl-Z: the shell gets its screen for as long as this is suspended. */
  readonly #suspend = () => {
    this.#leave();
    process.kill(process.pid, 'SIGSTOP');
  };
  readonly #resume = () => {
    this.#out.write(ENTER);
    this.draw();
  };

  constructor(out: WriteStream, draw: (size: { columns: number; rows: number }) => string[]) {
    this.#out = out;
    this.#draw = draw;
    out.write(ENTER);
    out.on('resize', this.#redraw);
    process.on('exit', this.#leave);
    process.on('SIGQUIT', this.#quit);
    process.on('SIGTSTP', this.#suspend);
    process.on('SIGCONT', this.#resume);
  }

  draw(): void {
    const lines = this.#draw({ columns: this.#out.columns || 80, rows: this.#out.rows || 24 });
    // No line feed behind the last line: it would scroll a full screen.
    this.#out.write(`${HOME}${lines.map(line => `${line}${CLEAR_REST}`).join('\r\n')}${CLEAR_BELOW}`);
  }

  /** Gives the terminal back as it was. */
  close(): void {
    this.#out.off('resize', this.#redraw);
    process.off('exit', this.#leave);
    process.off('SIGQUIT', this.#quit);
    process.off('SIGTSTP', this.#suspend);
    process.off('SIGCONT', this.#resume);
    this.#leave();
  }
}
