/** Colours for terminals (ECMA-48 SGR), or none. */

export type Paint<Colour extends string> = (text: string, colour: Colour | undefined) => string;

/** `codes`: the SGR parameters of each colour. Text stays as it is where colours are not wanted. */
export function painter<Colour extends string>(
  codes: Readonly<Record<Colour, string>>,
  colours: boolean,
): Paint<Colour> {
  return (text, colour) =>
    !colours || colour === undefined || text === '' ? text : `\x1b[${codes[colour]}m${text}\x1b[0m`;
}

/** Whether the environment allows colours: https://no-color.org says any value of NO_COLOR but the empty one forbids. */
export function coloursAllowed(environment: NodeJS.ProcessEnv = process.env): boolean {
  return !environment.NO_COLOR && environment.TERM !== 'dumb';
}
