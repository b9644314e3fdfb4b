/** Flags and arguments whose values are checked as those in configuration files are. */
import { Args, Errors, Flags } from '@oclif/core';
import type * as z from 'zod';
import { durationBetween, name } from '../config/values.js';

const interval = durationBetween(100, 3_600_000, 'from 100ms to 1h');

/** A time span such as 500ms, in milliseconds. */
export const intervalFlag = Flags.custom<number>({
  helpValue: 'TIME',
  parse: (text, _, { name: flag }) => parse(interval, text, `--${flag} `),
});

/** The name of a connection, relay or gateway. */
export const nameFlag = Flags.custom<string>({
  helpValue: 'NAME',
  parse: (text, _, { name: flag }) => parse(name, text, `--${flag} `),
});

/** As `nameFlag`, without a flag. It becomes part of the names of files. */
export const nameArgument = Args.custom<string>({ parse: text => parse(name, text, '') });

function parse<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
  what: string,
): Promise<z.output<Schema>> {
  const result = schema.safeParse(text);
  if (result.success) return Promise.resolve(result.data);
  const [issue] = result.error.issues;
  return Promise.reject(new Errors.CLIError(`${what}${text}: ${issue?.message}`, { exit: 2 }));
}
