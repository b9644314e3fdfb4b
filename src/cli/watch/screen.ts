/** A live screen as lines of text: of each that is running its state, paths, throughput and last events. */
import type { ConnectionStatus, GatewayStatus } from '../../client/status.js';
import type { GatewayState } from '../../failover/actions.js';
import { type Paint as AnyPaint, painter as anyPainter } from '../../report/paint.js';
import { plotRows } from '../../report/plot.js';
import { describeKillSwitch, describeStatus } from '../render.js';
import { describeEntry } from '../render-log.js';
import { count, formatBytes, formatDuration, formatRate } from '../text.js';
import type { Look } from './history.js';

export interface Picture {
  looks: readonly Look[];
  /** What must be known of connections that do not run. */
  warnings: readonly string[];
  /** The last line. */
  title: string;
}

export interface ScreenSize {
  columns: number;
  rows: number;
}

type Colour = 'good' | 'warning' | 'bad' | 'faint' | 'strong';
export type Paint = AnyPaint<Colour>;

export function painter(colours: boolean): Paint {
  return anyPainter<Colour>({ good: '32', warning: '33', bad: '1;31', faint: '2', strong: '1' }, colours);
}

/** Of the sparkline. */
const MAX_COLUMNS = 60;
const EVENTS_LEAST = 3;
const MARKS: Record<GatewayState, string> = {
  active: '●',
  standby: '○',
  suspect: '?',
  connecting: '…',
  down: '✖',
  failed: '✖',
};
const COLOURS: Partial<Record<GatewayState, Colour>> = {
  active: 'good',
  suspect: 'warning',
  connecting: 'warning',
  down: 'bad',
  failed: 'bad',
};

/** The screen: never more lines than `rows`, none wider than `columns`. */
export function drawScreen({ looks, warnings, title }: Picture, size: ScreenSize, paint: Paint): string[] {
  const warned = warnings.map(warning => paint(fit(warning, size.columns), 'bad'));
  if (warned.length > 0) warned.push('');
  const bodies = looks.map(look => drawBody(look, size.columns, paint));
  // What is left after all bodies, with a blank line around the events of each, goes to events.
  const used = bodies.reduce((sum, body) => sum + body.length + 2, 0) + warned.length + 1;
  const each = Math.max(EVENTS_LEAST, Math.floor((size.rows - used) / Math.max(1, looks.length)));
  const lines = looks.flatMap((look, index) => [
    ...(bodies[index] ?? []),
    '',
    ...drawEvents(look, each, size.columns),
    '',
  ]);
  if (lines.length === 0) lines.push('nothing is running', '');
  return [...[...warned, ...lines].slice(0, size.rows - 1), paint(fit(title, size.columns), 'faint')];
}

/** One look as one line, for where there is no screen. */
export function drawLine({ status, rates }: Look): string {
  const flow = `sent ${rate(rates.sent)}, received ${rate(rates.received)}`;
  if (status.role === 'relay')
    return `${status.name}: ${count(status.sessions.length, 'session', 'sessions')}, ${flow}`;
  if (status.role === 'gateway')
    return `${status.name}: ${count(status.clients.length, 'client', 'clients')}, ${flow}`;
  const active = status.gateways.find(({ name }) => name === status.gateway);
  const path =
    active === undefined ? '' : ` through ${active.name}, ${roundTrip(active)}, ${loss(active)} lost`;
  return `${status.name}: ${status.state}${path}, ${flow}, ${count(status.switches, 'switch', 'switches')}, ${describeKillSwitch(status)}`;
}

function drawBody(look: Look, columns: number, paint: Paint): string[] {
  const { status } = look;
  if (status.role === 'client') {
    return [...drawConnection(look, status, columns, paint), ...drawTraffic(look, columns, paint)];
  }
  const [title = '', ...rest] = describeStatus(status).split('\n');
  const lines = rest.filter(line => !/^ {2}(sent|received|dropped|offloads|rights) /.test(line));
  return [
    paint(fit(title, columns), 'strong'),
    ...lines.map(line => fit(line, columns)),
    ...drawTraffic(look, columns, paint),
  ];
}

function drawConnection(look: Look, status: ConnectionStatus, columns: number, paint: Paint): string[] {
  const via = status.gateway === null ? '' : ` through ${status.gateway}`;
  const state = status.state === 'connected' ? 'good' : status.state === 'waiting' ? 'bad' : 'warning';
  const head = `${status.name}: ${status.state}${via}, ${describeKillSwitch(status)}`;
  const up = `up ${formatDuration(status.uptimeMs)}`;
  const room = Math.max(2, columns - head.length - up.length);
  const device = `  device    ${status.device} ${status.address ?? '(no address yet)'} MTU ${status.mtu}, failover ${status.failover}, ${count(status.switches, 'switch', 'switches')}`;
  return [
    paint(fit(`${head}${' '.repeat(room)}${up}`, columns), state),
    fit(device, columns),
    ...drawRelay(status, columns),
    '',
    ...drawGateways(look, status.gateways, columns, paint),
    '',
  ];
}

function drawRelay({ relay }: ConnectionStatus, columns: number): string[] {
  if (relay === null) return [];
  const session = relay.lease === null ? 'no session yet' : `session with ${relay.lease}`;
  const control = relay.connected ? '' : ', no control connection';
  return [fit(`  relay     ${relay.address} ${relay.mode}, ${session}${control}`, columns)];
}

function drawGateways(
  look: Look,
  gateways: readonly GatewayStatus[],
  columns: number,
  paint: Paint,
): string[] {
  const width = Math.max(7, ...gateways.map(({ name }) => name.length));
  const head = `  ${'gateway'.padEnd(width)}  ${'state'.padEnd(10)}  ${'round trip'.padStart(11)}  ${'lost'.padStart(5)}  `;
  const room = Math.max(0, Math.min(MAX_COLUMNS, columns - head.length));
  return [
    paint(fit(`${head}round trips`, columns), 'faint'),
    ...gateways.map(gateway => {
      const { name, state, lastError } = gateway;
      const figures = `${roundTrip(gateway).padStart(11)}  ${loss(gateway).padStart(5)}`;
      const row = `${MARKS[state]} ${name.padEnd(width)}  ${state.padEnd(10)}  ${figures}  `;
      const rest =
        isUp(state) || lastError === null ? spark(look.roundTrips.get(name) ?? [], room) : lastError;
      return paint(fit(`${row}${rest}`, columns), COLOURS[state]);
    }),
  ];
}

function drawTraffic(look: Look, columns: number, paint: Paint): string[] {
  const { counters, drops } = look.status.traffic;
  const of = (name: string) => counters[name] ?? 0;
  const row = (label: string, value: number | undefined, bytes: number, packets: number) =>
    `  ${label.padEnd(8)}  ${rate(value).padStart(12)}  ${formatBytes(bytes).padStart(9)}  ${String(packets).padStart(12)} packets  `;
  const sent = row('sent', look.rates.sent, of('tx-bytes'), of('tx-packets'));
  const received = row('received', look.rates.received, of('rx-bytes'), of('rx-packets'));
  const room = Math.max(0, Math.min(MAX_COLUMNS, columns - sent.length));
  const dropped = Object.entries(drops).map(([reason, value]) => `${value} ${reason}`);
  return [
    fit(sent + spark(look.sentHistory, room), columns),
    fit(received + spark(look.receivedHistory, room), columns),
    ...(dropped.length === 0 ? [] : [paint(fit(`  dropped   ${dropped.join(', ')}`, columns), 'warning')]),
  ];
}

function drawEvents({ events }: Look, most: number, columns: number): string[] {
  return events.slice(-most).map(event => fit(`  ${describeEntry(event)}`, columns));
}

/** The newest values at the right, the highest as a full block. */
function spark(values: readonly (number | undefined)[], width: number): string {
  const shown = width === 0 ? [] : values.slice(-width);
  const highest = Math.max(...shown.map(value => value ?? 0));
  return highest > 0 ? (plotRows(shown, 1, highest)[0] ?? '') : '';
}

function isUp(state: GatewayState): boolean {
  return state === 'active' || state === 'standby' || state === 'suspect';
}

function roundTrip({ roundTripMs, state }: GatewayStatus): string {
  return roundTripMs === null || !isUp(state) ? '-' : `${roundTripMs.toFixed(2)} ms`;
}

function loss({ loss: share, state }: GatewayStatus): string {
  return share === null || !isUp(state) ? '-' : `${(share * 100).toFixed(0)} %`;
}

function rate(value: number | undefined): string {
  return value === undefined ? '-' : formatRate(value);
}

function fit(line: string, columns: number): string {
  const whole = line.trimEnd();
  return whole.length <= columns ? whole : `${whole.slice(0, Math.max(0, columns - 1))}…`;
}
