/** A flag for a time span, such as 500ms, in milliseconds. */
import { Errors, Flags } from '@oclif/core';
import { durationBetween } from '../config/values.js';

const interval = durationBetween(100, 3_600_000, 'from 100ms to 1h');

export const intervalFlag = Flags.custom<number>({
  helpValue: 'TIME',
  parse: text => {
    const result = interval.safeParse(text);
    if (result.success) return Promise.resolve(result.data);
    const [issue] = result.error.issues;
    return Promise.reject(new Errors.CLIError(`--interval ${text}: ${issue?.message}`, { exit: 2 }));
  },
});
