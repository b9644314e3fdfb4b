// Completion for fish.
import { nextWords, valueKind } from './commands.mjs';

const quoted = text => `'${text.replace(/[\\']/g, '\\$&')}'`;

function flagLine(words, flag) {
  const { name, char, description, options } = flag;
  const parts = ['complete -c vpnr', `-n ${quoted(`__vpnr_at ${words.join(' ')}`)}`, `-l ${name}`];
  if (char !== undefined) parts.push(`-s ${char}`);
  const kind = valueKind(flag);
  if (kind === 'option') parts.push(`-x -a ${quoted(options.join(' '))}`);
  if (kind === 'file') parts.push('-r -F');
  if (kind === 'text') parts.push('-x');
  return [...parts, `-d ${quoted(description ?? '')}`].join(' ');
}

function wordLines(before, following) {
  const words = before === '' ? [] : before.split(' ');
  const condition = quoted(`__vpnr_ends ${words.join(' ')}`.trimEnd());
  return [...following].map(
    ([word, meaning]) => `complete -c vpnr -n ${condition} -a ${word} -d ${quoted(meaning)}`,
  );
}

export function fishCompletion(known, commands) {
  const next = [...nextWords(known, commands)].flatMap(([before, following]) => wordLines(before, following));
  const flags = commands.flatMap(({ words, flags }) => flags.map(flag => flagLine(words, flag)));
  return `# Completion of vpnr for fish. Generated from its commands.

function __vpnr_at --description 'Whether the command line begins with this command'
    set -l words (commandline -opc)
    test (count $words) -gt (count $argv); and test "$words[2..$(math (count $argv) + 1)]" = "$argv"
end

function __vpnr_ends --description 'Whether the command line is no more than this yet'
    test (count (commandline -opc)) -eq (math (count $argv) + 1); or return 1
    test (count $argv) -eq 0; or __vpnr_at $argv
end

complete -c vpnr -f
complete -c vpnr -n __vpnr_ends -l version -d 'show what exactly this is'
complete -c vpnr -n __vpnr_ends -l help -d 'show what there is'
${[...next, ...flags].join('\n')}
`;
}
