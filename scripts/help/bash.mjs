// Completion for bash.
import { nextWords, valueKind } from './commands.mjs';

const quoted = text => `'${text.replaceAll("'", "'\\''")}'`;
const spellings = ({ name, char }) => [`--${name}`, ...(char === undefined ? [] : [`-${char}`])];

/** The case of one flag that takes a value, of the command `name`. */
function valueCase(name, flag) {
  const pattern = spellings(flag)
    .map(spelling => quoted(`${name} ${spelling}`))
    .join(' | ');
  const action = {
    option: `_vpnr_reply -W ${quoted((flag.options ?? []).join(' '))}`,
    file: 'compopt -o filenames\n      _vpnr_reply -f',
    text: 'COMPREPLY=()',
  }[valueKind(flag)];
  return `    ${pattern})\n      ${action}\n      return\n      ;;`;
}

export function bashCompletion(known, commands) {
  const next = nextWords(known, commands);
  const names = new Set([...next.keys(), ...commands.map(({ words }) => words.join(' '))]);
  names.delete('');
  const values = commands.flatMap(({ words, flags }) =>
    flags.filter(flag => valueKind(flag) !== undefined).map(flag => valueCase(words.join(' '), flag)),
  );
  const flags = new Map(commands.map(({ words, flags }) => [words.join(' '), flags.flatMap(spellings)]));
  const choices = [...next].map(([before, following]) => {
    // A command may have others below it.
    const own = flags.get(before) ?? (before === '' ? ['--help', '--version'] : ['--help']);
    return [before, [...following.keys(), ...own]];
  });
  const words = [...new Map([...flags, ...choices])].map(
    ([name, list]) => `    ${quoted(name)}) _vpnr_reply -W ${quoted(list.join(' '))} ;;`,
  );
  return `# Completion of vpnr for bash. Generated from its commands.

_vpnr_reply() {
  mapfile -t COMPREPLY < <(compgen "$@" -- "$current")
}

_vpnr() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} name='' i
  # --flag=value comes as three words.
  if [[ $current == = ]]; then
    current=''
  elif [[ $previous == = ]]; then
    previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  # The command's words come first.
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${name:+$name }\${COMP_WORDS[i]}" in
      ${[...names].map(quoted).join(' | ')}) name="\${name:+$name }\${COMP_WORDS[i]}" ;;
      *) break ;;
    esac
  done
  case "$name $previous" in
${values.join('\n')}
  esac
  case "$name" in
${words.join('\n')}
  esac
}

complete -F _vpnr vpnr
`;
}
