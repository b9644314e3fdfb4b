/** Colours for terminals (ECMA-48 SGR), or none. */
import type { GatewayName } from './stage.js';

export type Colour = GatewayName | 'failure' | 'faint' | 'strong';

const CODES: Record<Colour, string> = {
  tokyo: '36',
  yokohama: '32',
  fukuoka: '35',
  failure: '1;31',
  faint: '2',
  strong: '1',
};

export type Paint = (text: string, colour: Colour | undefined) => string;

/** Text as it is where colours are not wanted (https://no-color.org). */
export function painter(colours: boolean): Paint {
  return (text, colour) =>
    !colours || colour === undefined || text === '' ? text : `\x1b[${CODES[colour]}m${text}\x1b[0m`;
}
