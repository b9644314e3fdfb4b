/** How far a benchmark is, on standard error, so that standard output stays the result alone. */
import type { WriteStream } from 'node:tty';

export interface Progress {
  /** What is being measured now; `done` of `total` steps are behind us. */
  step(text: string, done: number, total: number): void;
  /** Leaves the terminal as it was. */
  end(): void;
}

const FRAME_MS = 100;
const BAR_WIDTH = 24;
const CLEAR_REST = '\x1b[K';

export const silence: Progress = { step() {}, end() {} };

/** A guess in words, as in "about 3 min left". */
export function timeLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 90) return `about ${seconds} s left`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `about ${minutes} min left` : `about ${(minutes / 60).toFixed(1)} h left`;
}

/** On a terminal that can do so one line that is written anew; elsewhere a line for each step, or nothing beside JSON. */
export function progressOn(
  stream: Pick<WriteStream, 'isTTY' | 'columns' | 'write'>,
  options: { json: boolean; now?: () => number; term?: string | undefined },
): Progress {
  if (stream.isTTY && options.term !== 'dumb')
    return updatingLine(stream, options.now ?? (() => performance.now()));
  if (options.json) return silence;
  let last = '';
  return {
    step(text) {
      if (text !== last) stream.write(`${text}\n`);
      last = text;
    },
    end() {},
  };
}

function updatingLine(stream: Pick<WriteStream, 'columns' | 'write'>, now: () => number): Progress {
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    step(text, done, total) {
      const time = now();
      if (time - drawn < FRAME_MS) return;
      drawn = time;
      const filled = Math.round((Math.min(done, total) / Math.max(total, 1)) * BAR_WIDTH);
      const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
      const line = `${bar} ${text}`;
      const width = (stream.columns || 80) - 1;
      stream.write(`\r${line.slice(0, width)}${CLEAR_REST}`);
    },
    end() {
      stream.write(`\r${CLEAR_REST}`);
    },
  };
}
