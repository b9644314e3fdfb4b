/** Files by a pattern with a shell's wildcards (sh(1), glob(7)). */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const WILDCARD = /[*?[]/;

/** The paths of those that fit an absolute pattern, in the order of their names. */
export function filesMatching(pattern: string): string[] {
  let found = ['/'];
  for (const part of pattern.split('/').filter(Boolean)) {
    found = WILDCARD.test(part)
      ? found.flatMap(folder => namesIn(folder, part).map(name => join(folder, name)))
      : found.map(folder => join(folder, part)).filter(path => existsSync(path));
  }
  return found.filter(path => !statSync(path).isDirectory());
}

function namesIn(folder: string, pattern: string): string[] {
  const fits = expressionOf(pattern);
  try {
    // Hidden ones have to be asked for.
    return readdirSync(folder)
      .filter(name => fits.test(name) && existsSync(join(folder, name)))
      .filter(name => !name.startsWith('.') || pattern.startsWith('.'))
      .sort();
  } catch {
    return [];
  }
}

/** `*`, `?`, `[abc]`, `[a-z]` and `[!abc]`; a backslash takes the meaning from what follows. */
function expressionOf(pattern: string): RegExp {
  const source = pattern.replace(
    /\\(.)|\[(!?)(\]?[^\]]*)\]|([*?])|([^*?])/gsu,
    (whole, escaped?: string, not?: string, set?: string, wildcard?: string) => {
      if (set !== undefined && set !== '')
        return `[${not === '!' ? '^' : ''}${set.replace(/[\\\][^]/g, '\\$&')}]`;
      if (wildcard !== undefined) return wildcard === '*' ? '.*' : '.';
      return (escaped ?? whole).replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
    },
  );
  try {
    return new RegExp(`^${source}$`, 's');
  } catch {
    // A range that runs backwards fits nothing.
    return /^(?!)/;
  }
}
