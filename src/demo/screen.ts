/** Showing a recording while it grows: a picture on a terminal, lines elsewhere. */
import type { WriteStream } from 'node:tty';
import { drawFrame, drawMoment } from './frame.js';
import { painter } from './paint.js';
import type { Recording } from './recording.js';

export interface DemoView {
  /** Shows what is new. */
  show(recording: Recording): void;
  /** Shows the last of it, and leaves the terminal as it was. */
  end(): void;
}

const FRAME_MS = 100;
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const CLEAR_BELOW = '\x1b[J';
const CLEAR_REST = '\x1b[K';

/** Redraws a picture in place, ten times a second. */
export function liveView(out: WriteStream, title: string, colours: boolean): DemoView {
  const paint = painter(colours);
  let recording: Recording | undefined;
  let height = 0;
  const draw = () => {
    if (recording === undefined) return;
    const size = { columns: out.columns || 80, rows: (out.rows || 24) - 1 };
    const lines = drawFrame(recording, title, size, paint).slice(0, size.rows);
    const up = height === 0 ? '' : `\x1b[${height}A`;
    out.write(`${up}\r${lines.map(line => `${line}${CLEAR_REST}\n`).join('')}${CLEAR_BELOW}`);
    height = lines.length;
  };
  const showCursor = () => void out.write(SHOW_CURSOR);
  out.write(HIDE_CURSOR);
  process.once('exit', showCursor);
  const timer = setInterval(draw, FRAME_MS);
  return {
    show: next => {
      recording = next;
    },
    end: () => {
      clearInterval(timer);
      draw();
      showCursor();
      process.off('exit', showCursor);
    },
  };
}

/** A line for each event, and once a second how the download goes. */
export function lineView(write: (line: string) => void): DemoView {
  const paint = painter(false);
  let told = 0;
  let second = 0;
  return {
    show: recording => {
      for (; told < recording.moments.length; told++) {
        const moment = recording.moments[told];
        if (moment !== undefined) write(drawMoment(moment, paint));
      }
      const { from, to } = recording;
      if (from === undefined || to - from < (second + 1) * 1000) return;
      second = Math.floor((to - from) / 1000);
      const [rate = 0] = recording.rates(Math.max(from, to - 1000), to, 1);
      const text = `${rate.toFixed(0)} Mbit/s in the last second, ${(recording.bytes / 1e6).toFixed(1)} MB so far`;
      write(drawMoment({ ms: to, kind: 'event', text }, paint));
    },
    end: () => {},
  };
}
