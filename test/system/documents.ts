/** What a document for operators says to do: its blocks of code, and the comments above them that say where. */

/** `section`: the heading that it stands below. */
export type Step = { section: string } & Content;

type Content =
  | { kind: 'file'; name: string; host: string; text: string }
  | { kind: 'copy'; name: string; from: string; target: string; host: string }
  /** `needs`: what must run in the host before. */
  | { kind: 'commands'; host: string; lines: string[]; needs: 'strongSwan' | 'systemd' | undefined }
  /** What the commands before have said, but for the numbers. */
  | { kind: 'output'; lines: string[] }
  /** A block without a comment. */
  | { kind: 'unmarked'; language: string; text: string };

const COPY = /^<!-- copy (\S+) of (\S+) to (\S+) on (\S+) -->$/;
const FILE = /^<!-- file (\S+) on (\S+) -->$/;
const COMMANDS = /^<!-- on (\S+)(?: with (strongSwan|systemd))? -->$/;
const HEADING = /^#+ (.*)$/;
const OUTPUT = '<!-- output -->';
const FENCE = /^```(\w*)$/;

/** All blocks of code, and files to be carried over, in order. Throws on a comment or a fence that it does not understand. */
export function stepsOf(document: string): Step[] {
  const lines = document.split('\n');
  const steps: Step[] = [];
  let section = '';
  for (let at = 0; at < lines.length; at += 1) {
    section = HEADING.exec(lines[at] ?? '')?.[1] ?? section;
    const comment = lines[at]?.startsWith('<!--') ? (lines[at] ?? '') : undefined;
    const [, name, from = '', target = '', to = ''] = (comment && COPY.exec(comment)) || [];
    if (name !== undefined) {
      steps.push({ section, kind: 'copy', name, from, target, host: to });
      continue;
    }
    if (comment !== undefined) at += 1;
    const [, language] = FENCE.exec(lines[at] ?? '') ?? [];
    if (language === undefined) {
      if (comment === undefined) continue;
      throw new Error(`a comment without a block of code: ${comment}`);
    }
    const end = lines.indexOf('```', at + 1);
    if (end < 0) throw new Error(`a block without an end, line ${at + 1}`);
    steps.push({ section, ...contentOf(comment, language, lines.slice(at + 1, end)) });
    at = end;
  }
  return steps;
}

function contentOf(comment: string | undefined, language: string, lines: string[]): Content {
  if (comment === undefined) return { kind: 'unmarked', language, text: lines.join('\n') };
  if (comment === OUTPUT) return { kind: 'output', lines };
  const [, name, host] = FILE.exec(comment) ?? [];
  if (name !== undefined && host !== undefined)
    return { kind: 'file', name, host, text: `${lines.join('\n')}\n` };
  const [, where, needs] = COMMANDS.exec(comment) ?? [];
  if (where === undefined) throw new Error(`a comment that says nothing to the test: ${comment}`);
  return { kind: 'commands', host: where, lines, needs: needs as 'strongSwan' | 'systemd' | undefined };
}

/** Commands written as `code` in the text itself; a table of commands has their syntax in place of them. */
export function inlineCalls(document: string): string[] {
  const text = document.replaceAll(/^```.*?^```/gms, '').replaceAll(/^\| `vpnr .*$/gm, '');
  return [...text.matchAll(/`(vpnr [^`]+)`/g)].map(([, call]) => (call ?? '').replaceAll('\n', ' '));
}

/** Whether each line is among those that were said, in this order; numbers and the width of gaps may differ. */
export function missingLine(expected: readonly string[], said: string): string | undefined {
  const lines = said.split('\n');
  let from = 0;
  for (const line of expected.filter(text => text.trim() !== '')) {
    const pattern = new RegExp(
      `^${line
        .trim()
        .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
        .replaceAll(/\d+(\\\.\d+)?/g, '\\d+(\\.\\d+)?')
        .replaceAll(/\s+/g, '\\s+')}$`,
    );
    const found = lines.findIndex((text, index) => index >= from && pattern.test(text.trim()));
    if (found < 0) return line;
    from = found + 1;
  }
  return undefined;
}
