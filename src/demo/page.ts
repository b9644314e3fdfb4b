/** The result as one self-contained HTML page. */
import { AXES_STYLE, axesOf } from '../report/axes.js';
import { escapeText, htmlPage, round } from '../report/html.js';
import { scaleFor } from '../report/plot.js';
import type { Moment, Recording } from './recording.js';
import { type DemoResult, describeResult } from './result.js';
import { GATEWAY_NAMES, type GatewayName } from './stage.js';

const WIDTH = 960;
const HEIGHT = 300;
const LEFT = 56;
const RIGHT = 12;
const TOP = 28;
const BOTTOM = 34;
/** Of one column of the plot. */
const COLUMN_MS = 50;

const COLOURS: Record<GatewayName, string> = { tokyo: '#1f77b4', yokohama: '#2ca02c', fukuoka: '#9467bd' };
const FAULT_COLOUR = '#d62728';

const STYLE = `${AXES_STYLE}
  tr.fault td { color: ${FAULT_COLOUR}; font-weight: bold; } tr.recovery td { font-weight: bold; }
  tr.preparation td { opacity: .7; } .mark { display: inline-block; width: .8em; height: .8em; margin-right: .5em; }`;

export function writePage(result: DemoResult, recording: Recording): string {
  const { kind, fault, gateways } = result;
  const title = `vpnr: a TCP download ${result.survived ? 'survives' : 'does not survive'} the failure of its gateway`;
  const body = `<pre>${escapeText(describeResult(result).join('\n'))}</pre>
${drawPlot(recording)}
${drawPauses(result)}
<h2>Gateways</h2>
<table>
<tr><th>name</th><th class="figure">round trip</th><th class="figure">carried</th><th>at the end</th></tr>
${gateways
  .map(
    ({ name, roundTripMs, bytes, state }) =>
      `<tr><td><span class="mark" style="background:${COLOURS[name]}"></span>${name}</td>` +
      `<td class="figure">${roundTripMs} ms</td><td class="figure">${(bytes / 1e6).toFixed(1)} MB</td><td>${state}</td></tr>`,
  )
  .join('\n')}
</table>
<h2>What happened</h2>
<table>
${recording.moments.map(drawRow).join('\n')}
</table>
<p>Fault: ${escapeText(fault)}. Gateways: ${kind === 'vpnr' ? 'vpnr gateway' : 'strongSwan'}. Client, gateways, relay and server ran on one machine, in
network namespaces; the lines to the gateways had the round trips of the paper, 100 Mbit/s each. The paper: Matsuhashi, Shinagawa, Ishii,
Hirooka, Kato: Transparent VPN failure recovery with virtualization. Future Generation Computer Systems, 2012.</p>`;
  return htmlPage({ title, body, style: STYLE });
}

function drawPlot(recording: Recording): string {
  const from = recording.from ?? 0;
  const to = Math.max(recording.to, from + 1000);
  const count = Math.max(1, Math.floor((to - from) / COLUMN_MS));
  const rates = recording.rates(from, from + count * COLUMN_MS, count);
  const max = scaleFor(Math.max(10, ...rates.map(rate => rate ?? 0)));
  const { x, y, grid, baseline, ticks } = axesOf({
    width: WIDTH,
    height: HEIGHT,
    left: LEFT,
    right: RIGHT,
    top: TOP,
    bottom: BOTTOM,
    from,
    to,
    max,
  });
  const areas = GATEWAY_NAMES.map(name => {
    const path = rates.flatMap((rate, index) => {
      const start = from + index * COLUMN_MS;
      if (rate === undefined || recording.carrierAt(start + COLUMN_MS / 2) !== name) return [];
      return `M${x(start)} ${y(0)}V${y(rate)}H${x(start + COLUMN_MS)}V${y(0)}Z`;
    });
    return `<path fill="${COLOURS[name]}" d="${path.join('')}"/>`;
  });
  const names = recording.carriers.flatMap(({ ms, gateway }, index) => {
    if (gateway === undefined) return [];
    const end = recording.carriers[index + 1]?.ms ?? to;
    const middle = x((Math.max(ms, from) + end) / 2);
    return `<text x="${middle}" y="${HEIGHT - 4}" text-anchor="middle" style="fill:${COLOURS[gateway]}">${gateway}</text>`;
  });
  const fault = recording.moments.find(({ kind }) => kind === 'fault');
  const mark =
    fault === undefined
      ? ''
      : `<line x1="${x(fault.ms)}" x2="${x(fault.ms)}" y1="${TOP - 8}" y2="${y(0)}" stroke="${FAULT_COLOUR}" stroke-width="1.5"/>` +
        `<text x="${x(fault.ms) + 5}" y="${TOP - 12}" style="fill:${FAULT_COLOUR}">${escapeText(fault.text)}</text>`;
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="throughput over time">
<text x="4" y="14">Mbit/s</text>
${grid}
${areas.join('\n')}
${baseline}
${ticks}
${names.join('\n')}
${mark}
</svg>`;
}

/** The pause beside the paper's, as two bars. */
function drawPauses({ pauseMs, paper }: DemoResult): string {
  if (pauseMs === null) return '';
  const bars = [
    { name: 'vpnr', ms: pauseMs, colour: COLOURS.tokyo },
    { name: 'the paper, 2012', ms: paper.recoveryMs, colour: '#888' },
  ];
  const longest = Math.max(...bars.map(({ ms }) => ms));
  const rows = bars.map(({ name, ms, colour }, index) => {
    const width = round((ms / longest) * 640);
    const top = 6 + index * 26;
    return (
      `<text x="150" y="${top + 14}" text-anchor="end">${name}</text>` +
      `<rect x="160" y="${top}" width="${width}" height="18" fill="${colour}"/>` +
      `<text x="${166 + width}" y="${top + 14}">${ms} ms</text>`
    );
  });
  return `<h2>Longest pause of the connection</h2>
<svg viewBox="0 0 ${WIDTH} 60" role="img" aria-label="longest pause">
${rows.join('\n')}
</svg>`;
}

function drawRow({ ms, text, kind }: Moment): string {
  return `<tr class="${kind}"><td class="figure">${(ms / 1000).toFixed(3)} s</td><td>${escapeText(text)}</td></tr>`;
}
