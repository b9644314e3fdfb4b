// What vpnr's commands are, as oclif knows them from the built program: for completions, the manual page and the executable.
import { Config } from '@oclif/core';
import { root } from '../compile.mjs';

/** package.json, and oclif's manifest of the commands in the order of their names. */
export async function commandManifest() {
  const config = await Config.load({ root, ignoreManifest: true });
  const { manifest, pjson } = config.plugins.get(config.name);
  const ids = Object.keys(manifest.commands).sort();
  const commands = Object.fromEntries(ids.map(id => [id, manifest.commands[id]]));
  return { description: pjson, manifest: { ...manifest, commands } };
}

const HELP = { name: 'help', type: 'boolean', description: 'show what the command does' };

/**
 * The commands that are shown to users, those of one word first: `words` as in ["bench", "crypto"], `summary`, `description`, `examples`, `args`, and
 * `flags`, the command's own before those of all.
 */
export function shownCommands({ description, manifest }) {
  const depth = ({ id }) => id.split(':').length;
  return Object.values(manifest.commands)
    .filter(({ hidden }) => hidden !== true)
    .sort((a, b) => depth(a) - depth(b))
    .map(({ id, summary, description: text, examples, args, flags }) => ({
      words: id.split(':'),
      summary,
      description: text ?? '',
      examples: (examples ?? []).map(example =>
        example.replaceAll('<%= config.bin %>', description.oclif.bin).replaceAll('<%= command.id %>', id),
      ),
      args: Object.values(args),
      flags: [
        ...Object.values(flags)
          .filter(({ hidden }) => hidden !== true)
          .sort((a, b) => Number(a.name === 'json') - Number(b.name === 'json')),
        HELP,
      ],
    }));
}

/** The flags of a command, and what turns off those that can be turned off. */
export const withOpposites = flags =>
  flags.flatMap(flag =>
    flag.allowNo === true
      ? [flag, { name: `no-${flag.name}`, type: 'boolean', description: `without --${flag.name}` }]
      : [flag],
  );

/** The words that may follow each beginning of a command, as in "" or "bench", with what they mean. */
export function nextWords({ description }, commands) {
  const next = new Map();
  for (const { words, summary } of commands)
    words.forEach((word, depth) => {
      const before = words.slice(0, depth).join(' ');
      const isCommand = depth === words.length - 1;
      const meaning = isCommand
        ? summary
        : description.oclif.topics[words.slice(0, depth + 1).join(':')]?.description;
      next.set(before, new Map([...(next.get(before) ?? []), [word, meaning ?? '']]));
    });
  return next;
}

/** What a flag's value is: one of `options`, a file, or anything. Undefined when it takes none. */
export function valueKind({ type, options, helpValue }) {
  if (type !== 'option') return undefined;
  if (options !== undefined) return 'option';
  return /^(FILE|DIR|FOLDER)/.test(helpValue ?? '') ? 'file' : 'text';
}
