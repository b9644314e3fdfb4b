/** Points that are looked at before something is started: what would go wrong, and what to do about it. */
import { type ErrorCode, toVpnrError } from '../errors.js';

/** One point that was looked at. */
export interface CheckPoint {
  point: string;
  ok: boolean;
  /** What was found. */
  message: string;
  code?: ErrorCode;
  remedy?: string;
}

export type Report = (point: CheckPoint) => void;

/** Looks at a point: `test` returns what it has found, or throws what is wrong. */
export type Look = (point: string, test: () => string | Promise<string>) => Promise<void>;

/** Each point is reported as soon as it is known. */
export function looking(report: Report): Look {
  return async (point, test) => {
    try {
      report({ point, ok: true, message: await test() });
    } catch (error) {
      const { code, message, remedy } = toVpnrError(error);
      report({ point, ok: false, message, code, ...(remedy === undefined ? {} : { remedy }) });
    }
  };
}
