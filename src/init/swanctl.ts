/**
 * Reading a strongSwan client's `swanctl.conf`. Its syntax, from the manual page strongswan.conf(5): sections `name { ... }`, settings `key = value`, comments
 * behind `#`, values in double quotes where they hold special characters.
 */
import { VpnrError } from '../errors.js';

export interface Section {
  settings: Map<string, string>;
  sections: Map<string, Section>;
}

const MAX_BYTES = 1 << 20;
const MAX_DEPTH = 16;

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

/** Reads the text; `file` is for messages. Throws CONFIG_SYNTAX with the line. `notes` takes what was passed over. */
export function parseSwanctl(text: string, file: string, notes: string[] = []): Section {
  if (text.length > MAX_BYTES) throw new VpnrError('CONFIG_INVALID', `${file}: larger than 1 MiB`);
  return new Parser(text, file, notes).parse();
}

class Parser {
  readonly #text: string;
  readonly #file: string;
  readonly #notes: string[];
  #at = 0;

  constructor(text: string, file: string, notes: string[]) {
    this.#text = text;
    this.#file = file;
    this.#notes = notes;
  }

  parse(): Section {
    const root = this.#section(0);
    if (this.#at < this.#text.length) throw this.#wrong('a "}" without its "{"');
    return root;
  }

  /** Up to the "}" that ends it, or the end of the text. */
  #section(depth: number): Section {
    if (depth > MAX_DEPTH) throw this.#wrong('sections are nested too deeply');
    const section: Section = { settings: new Map(), sections: new Map() };
    for (;;) {
      this.#skip(/(?:\s|#[^\n]*)*/y);
      if (this.#at === this.#text.length || this.#text[this.#at] === '}') return section;
      const key = this.#take(/[^\s={}#":,]+/y);
      if (key === '') throw this.#wrong('a name was expected');
      this.#skip(/[ \t]*/y);
      if (key === 'include') {
        this.#notes.push(`include ${this.#take(/[^\n]*/y).trim()}: give the included file itself`);
        continue;
      }
      this.#skip(/\s*/y);
      if (this.#text[this.#at] === '{') this.#inner(section, key, depth);
      else if (this.#text[this.#at] === '=') {
        this.#at++;
        section.settings.set(key, this.#value());
      } else throw this.#wrong(`"=" or "{" was expected behind "${key}"`);
    }
  }

  #inner(section: Section, key: string, depth: number): void {
    const begin = this.#at++;
    const inner = this.#section(depth + 1);
    if (this.#text[this.#at] !== '}') {
      this.#at = begin;
      throw this.#wrong(`the section "${key}" is not closed`);
    }
    this.#at++;
    // A section that comes again goes on.
    const known = section.sections.get(key);
    if (known === undefined) section.sections.set(key, inner);
    else {
      for (const [name, value] of inner.settings) known.settings.set(name, value);
      for (const [name, value] of inner.sections) known.sections.set(name, value);
    }
  }

  #value(): string {
    this.#skip(/[ \t]*/y);
    let value = '';
    for (;;) {
      value += this.#take(/[^"#}\n]+/y);
      if (this.#text[this.#at] !== '"') return value.trim();
      const quoted = this.#take(/"(?:[^"\\]|\\[\s\S])*"/y);
      if (quoted === '') throw this.#wrong('a quote is not closed');
      const inner = quoted
        .slice(1, -1)
        .replace(/\\([\s\S])/g, (_, letter: string) => ESCAPES[letter] ?? letter);
      // Only what stands in quotes keeps its blanks.
      if (value.trim() === '') {
        this.#skip(/[^#}\n]*/y);
        return inner;
      }
      value += inner;
    }
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found = ''] = pattern.exec(this.#text) ?? [];
    this.#at += found.length;
    return found;
  }

  #skip(pattern: RegExp): void {
    this.#take(pattern);
  }

  #wrong(what: string): VpnrError {
    const line = this.#text.slice(0, this.#at).split('\n').length;
    return new VpnrError('CONFIG_SYNTAX', `${this.#file}:${line}: ${what}`, {
      remedy: 'give a swanctl.conf that `swanctl --load-all` accepts',
    });
  }
}
