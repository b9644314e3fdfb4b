/** Command lines in documents and help texts, held against the commands that there are. */
import { readFileSync } from 'node:fs';

interface Command {
  flags: Record<string, { char?: string; type: string; options?: string[]; hidden?: boolean }>;
  summary: string;
  examples?: string[];
}

/** The commands as the build has described them, by names such as "bench crypto". */
export function commands(): Map<string, Command> {
  const manifest = JSON.parse(readFileSync('oclif.manifest.json', 'utf8')) as {
    commands: Record<string, Command>;
  };
  return new Map(
    Object.entries(manifest.commands).map(([id, command]) => [id.replaceAll(':', ' '), command]),
  );
}

/** Why `vpnr WORDS` is not a command line that is understood, or undefined when it is. */
export function complaint(words: readonly string[]): string | undefined {
  if (words[0]?.startsWith('--')) return ['--help', '--version'].includes(words[0]) ? undefined : words[0];
  const known = commands();
  const topic = [2, 1].map(count => words.slice(0, count).join(' ')).find(name => known.has(name));
  const isTopic = [...known.keys()].some(name => name.startsWith(`${words.join(' ')} `));
  if (topic === undefined) return isTopic ? undefined : `no command "${words.slice(0, 2).join(' ')}"`;
  const flags = known.get(topic)?.flags ?? {};
  for (const [index, word] of words.entries()) {
    if (word === '--') return undefined;
    if (!word.startsWith('-') || word === '-' || word === '--help') continue;
    const [, flag] =
      Object.entries(flags).find(([name, { char }]) => `--${name}` === word || `-${char}` === word) ?? [];
    if (flag === undefined) return `vpnr ${topic} has no ${word}`;
    const value = words[index + 1];
    if (flag.options !== undefined && !flag.options.includes(value ?? ''))
      return `${word} cannot be ${value}`;
  }
  return undefined;
}

/** The calls of vpnr in a shell's text, by their words, without what stands before and behind. */
export function callsIn(text: string): string[][] {
  const lines = text.replaceAll('\\\n', ' ').split('\n');
  return lines.flatMap(line => {
    const command = line.replace(/(^|\s)#.*$/, '');
    const [, call] = /(?:^|[|;&]\s*|\w=\S+\s+)vpnr\s+([^|;&>]+)/.exec(command) ?? [];
    return call === undefined ? [] : [call.trim().split(/\s+/)];
  });
}
