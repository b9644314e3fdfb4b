import { GATEWAY_NAMES, type GatewayKind, type GatewayName } from '../../demo/stage.js';
import type { Bar, Cell, Chart, Section } from '../model.js';
import { ratio } from '../statistics.js';
import { LAYER_TEXTS, LAYERS, type LayerResult } from './layers.js';

type Figures = Pick<LayerResult, 'roundTripMs' | 'mbits'>;

/** Matsuhashi and others, 2012: over the internet of their day. The first of a city is what the others are compared with. */
export const PAPER_LAYERS: Record<GatewayName, Record<string, Figures>> = {
  tokyo: paper([13.18, 58.88], [13.46, 49.31], [13.71, 41.22]),
  yokohama: paper([12.63, 52.98], [13.0, 47.45], [13.23, 41.94]),
  fukuoka: paper([32.04, 26.43], [32.57, 25.27], [32.8, 24.45]),
};

function paper(...figures: readonly [number, number][]): Record<string, Figures> {
  const names = ['the paper: VPN in the OS', 'the paper: its layer', 'the paper: and relay'];
  return Object.fromEntries(
    figures.map(([roundTripMs, mbits], index) => [names[index] as string, { roundTripMs, mbits }]),
  );
}

/** The paper's other two figures, and all of it as a table, for each kind of gateway. */
export function describeLayers(results: readonly LayerResult[]): Section[] {
  const kinds = [...new Set(results.map(({ gateways }) => gateways))];
  return kinds.map(kind =>
    sectionOf(
      results.filter(({ gateways }) => gateways === kind),
      kind,
    ),
  );
}

function sectionOf(results: readonly LayerResult[], kind: GatewayKind): Section {
  const cities = GATEWAY_NAMES.filter(name => results.some(({ city }) => city === name));
  const rowsOf = (city: GatewayName) => {
    const ours = LAYERS.flatMap(layer => results.filter(each => each.city === city && each.layer === layer));
    const labelled = ours.map(({ layer, ...figures }) => [LAYER_TEXTS[layer], figures] as const);
    return [...comparedRows(city, labelled), ...comparedRows(city, Object.entries(PAPER_LAYERS[city]))];
  };
  return {
    title: `${kind} gateways: round trip and throughput with and without the layer and the relay`,
    charts: [
      ...cities.map(city =>
        chart(results, city, 'roundTripMs', { title: 'Round trip', unit: 'ms', better: 'less' }),
      ),
      ...cities.map(city =>
        chart(results, city, 'mbits', { title: 'Throughput of TCP', unit: 'Mbit/s', better: 'more' }),
      ),
    ],
    table: {
      columns: [
        { title: 'city' },
        { title: '' },
        { title: 'ms', kind: 'figure', digits: 2 },
        { title: 'added', kind: 'figure', digits: 2 },
        { title: 'Mbit/s', kind: 'figure', digits: 1 },
        { title: 'of it', kind: 'figure', digits: 0, suffix: ' %' },
      ],
      rows: cities.flatMap(rowsOf),
    },
  };
}

/** Each with what it adds to the first one's round trip, and how much of its throughput it leaves. */
function comparedRows(city: GatewayName, all: readonly (readonly [string, Figures])[]): Cell[][] {
  const [, first] = all[0] ?? [];
  return all.map(([label, { roundTripMs, mbits }], index) => {
    const left = ratio(mbits, first?.mbits);
    return [
      city,
      label,
      roundTripMs,
      index === 0 || first === undefined ? null : roundTripMs - first.roundTripMs,
      mbits,
      index === 0 || left === null ? null : left * 100,
    ];
  });
}

function chart(
  results: readonly LayerResult[],
  city: GatewayName,
  figure: keyof Figures,
  { title, unit, better }: Pick<Chart, 'title' | 'unit' | 'better'>,
): Chart {
  const ours = LAYERS.map((layer): Bar => {
    const found = results.find(each => each.city === city && each.layer === layer);
    const value = found?.[figure] ?? null;
    return { label: LAYER_TEXTS[layer], value, kind: layer === 'none' ? 'limit' : 'ours' };
  });
  const theirs = Object.entries(PAPER_LAYERS[city]).map(([label, figures]): Bar => {
    return { label, value: figures[figure], kind: 'peer' };
  });
  return { title: `${title}, ${city}`, unit, better, bars: [...ours, ...theirs] };
}
