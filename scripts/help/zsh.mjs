// Completion for zsh.
import { nextWords, valueKind } from './commands.mjs';

const quoted = text => `'${text.replaceAll("'", "'\\''")}'`;
/** In a specification of _arguments, and before the colon of _describe's. */
const escaped = text => text.replace(/[\\[\]:]/g, '\\$&');
const functionName = words => ['_vpnr', ...words].join('_').replaceAll('-', '_');

function flagSpecification(flag) {
  const { name, char, description, helpValue, multiple, options } = flag;
  const value = {
    option: () => `:${name}:(${options.join(' ')})`,
    file: () => `:${escaped(helpValue)}:_files`,
    text: () => `:${escaped(helpValue ?? name)}: `,
  }[valueKind(flag)];
  const text = `[${escaped(description ?? '')}]${value?.() ?? ''}`;
  // A value may stand behind "=", too.
  const long = value === undefined ? `--${name}` : `--${name}=`;
  if (multiple === true) return quoted(`*${long}${text}`);
  if (char === undefined) return quoted(`${long}${text}`);
  return `'(-${char} --${name})'{-${char},${long}}${quoted(text)}`;
}

const argumentSpecification = ({ name, description, options }, i) =>
  quoted(
    `${i + 1}:${escaped(description ?? name)}:${options === undefined ? ' ' : `(${options.join(' ')})`}`,
  );

/** Of a command that has others below it: the line without one of those. */
const itself = words => `${functionName(words)}__itself`;

function commandFunction({ words, flags, args }, isTopic) {
  const specifications = [...flags.map(flagSpecification), ...args.map(argumentSpecification)];
  return `${isTopic ? itself(words) : functionName(words)}() {
  _arguments -s \\
    ${specifications.join(' \\\n    ')}
}`;
}

/** Offers the words that may follow `before`, and hands the rest of the line to the function of the one that does. */
function choiceFunction(before, following, isCommand) {
  const words = before === '' ? [] : before.split(' ');
  const list = [...following].map(([word, meaning]) => quoted(`${escaped(word)}:${meaning}`));
  const own = before === '' ? " '--version:show what exactly this is'" : '';
  const cases = [...following.keys()].map(word => `    ${word}) ${functionName([...words, word])} ;;`);
  const alone = isCommand ? `\n  if [[ $words[2] == -* ]]; then\n    ${itself(words)}\n    return\n  fi` : '';
  return `${functionName(words)}() {${alone}
  if ((CURRENT == 2)); then
    local -a following=(
      ${list.join('\n      ')}
    )
    local -a general=('--help:show what there is'${own})
    _describe command following -- general
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
${cases.join('\n')}
  esac
}`;
}

export function zshCompletion(known, commands) {
  const next = nextWords(known, commands);
  const names = new Set(commands.map(({ words }) => words.join(' ')));
  const functions = [
    ...commands.map(command => commandFunction(command, next.has(command.words.join(' ')))),
    ...[...next].map(([before, following]) => choiceFunction(before, following, names.has(before))),
  ];
  return `#compdef vpnr
# Completion of vpnr for zsh. Generated from its commands.

${functions.join('\n\n')}

_vpnr "$@"
`;
}
