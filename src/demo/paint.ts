import { type Paint as AnyPaint, painter as anyPainter } from '../report/paint.js';
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

export type Paint = AnyPaint<Colour>;

export function painter(colours: boolean): Paint {
  return anyPainter(CODES, colours);
}
