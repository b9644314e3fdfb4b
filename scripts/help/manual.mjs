// The manual page vpnr(1), for the macros of man(7).
import { ERROR_CODES, VpnrError } from '../../dist/errors.js';
import { valueKind } from './commands.mjs';

/** What an exit status means. */
const CLASSES = {
  1: 'a demonstration or comparison that failed, or a mistake in vpnr itself',
  2: 'usage: flags and arguments',
  3: 'configuration, secrets and certificates',
  4: 'rights, the machine, and what is running on it',
  5: 'network, gateways and relay',
  6: 'authentication',
};

const INTERRUPTED = 130;

/** Text as it is: nothing in it means anything to roff. */
function plain(text) {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&');
}

const bold = text => `\\fB${plain(text)}\\fR`;
const italic = text => `\\fI${plain(text)}\\fR`;

function flagTerm(flag) {
  const { name, char, helpValue, options, allowNo } = flag;
  const value =
    valueKind(flag) === undefined
      ? ''
      : `=${italic(helpValue ?? options?.join('|') ?? 'VALUE').replaceAll('|', '|\\:')}`;
  return `${char === undefined ? '' : `${bold(`-${char}`)}, `}${bold(`--${allowNo === true ? '[no-]' : ''}${name}`)}${value}`;
}

function flagText({ description, required, default: preset, multiple }) {
  const notes = [
    ...(required === true ? ['required'] : []),
    ...(multiple === true ? ['may be repeated'] : []),
    ...(typeof preset === 'string' || typeof preset === 'number' ? [`default: ${preset}`] : []),
  ].filter(note => !description?.includes(note));
  return plain(`${description ?? ''}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}`);
}

function commandSection({ words, summary, description, examples, args, flags }) {
  const synopsis = [bold(`vpnr ${words.join(' ')}`)];
  for (const { name, required } of args)
    synopsis.push(required === true ? italic(name.toUpperCase()) : `[${italic(name.toUpperCase())}]`);
  return [
    `.SS ${synopsis.join(' ')}`,
    plain(summary),
    ...(description === '' ? [] : ['.PP', plain(description)]),
    ...args.flatMap(({ name, description: text }) => ['.TP', italic(name.toUpperCase()), plain(text ?? '')]),
    ...flags.flatMap(flag => ['.TP', flagTerm(flag), flagText(flag)]),
    ...(examples.length === 0 ? [] : ['.PP', 'Examples:', '.PP', '.nf', ...examples.map(plain), '.fi']),
  ];
}

function exitStatuses() {
  const codes = new Map();
  for (const code of ERROR_CODES) {
    const status = new VpnrError(code, '').exitStatus;
    codes.set(status, [...(codes.get(status) ?? []), code]);
  }
  return [
    ...['.TP', bold('0'), 'success'],
    ...Object.entries(CLASSES).flatMap(([status, meaning]) => [
      '.TP',
      bold(status),
      plain(`${meaning} (${codes.get(Number(status)).join(', ')})`),
    ]),
    ...['.TP', bold(`${INTERRUPTED}`), plain('ended by Ctrl-C before it was done')],
  ];
}

/** `date`: of the build. */
export function manualPage({ description }, commands, date) {
  const day = date.toISOString().slice(0, 10);
  return `${[
    `.TH VPNR 1 ${day} "vpnr ${description.version}" "User Commands"`,
    '.nh',
    '.SH NAME',
    plain(`vpnr - ${description.description[0].toLowerCase()}${description.description.slice(1)}`),
    '.SH SYNOPSIS',
    `.B vpnr\n${italic('COMMAND')} [${italic('OPTION')} ...]`,
    '.br',
    `.B vpnr\n${bold('--help')} | ${bold('--version')} [${bold('--json')}]`,
    '.SH DESCRIPTION',
    plain(
      'vpnr connects to several VPN gateways (IKEv2, ESP in UDP) and shows applications one network device with one ' +
        'address that never changes. When the gateway that carries the traffic fails, another one takes over; a relay ' +
        'behind the gateways hides the change from servers, so that TCP connections go on.',
    ),
    '.SH COMMANDS',
    ...commands.flatMap(commandSection),
    '.SH EXIT STATUS',
    'The code of an error, in capitals, is told with its message.',
    ...exitStatuses(),
    '.SH ENVIRONMENT',
    ...['.TP', bold('NO_COLOR'), 'show no colours'],
    ...[
      '.TP',
      bold('VPNR_RUNTIME_DIR'),
      plain('instead of /run/vpnr: control sockets, and what is put back after a crash'),
    ],
    ...[
      '.TP',
      bold('VPNR_STATE_DIR'),
      plain('instead of /var/lib/vpnr: relay sessions, which outlast a restart'),
    ],
    '.SH SEE ALSO',
    plain('ip(8), swanctl(8)'),
  ].join('\n')}\n`;
}
