/**
 * The syntax of strongSwan's `swanctl.conf`, from the manual page strongswan.conf(5): sections `name { ... }`, settings `key = value`, comments behind `#`, values in
 * double quotes where they hold special characters, `include PATTERN` for other files.
 */
import { VpnrError } from '../errors.js';

export interface Section {
  settings: Map<string, string>;
  sections: Map<string, Section>;
}

export interface Source {
  file: string;
  text: string;
  isReadableByOthers: boolean;
}

/** What the files hold that `include PATTERN` in `file` means. */
export type Include = (pattern: string, file: string) => readonly Source[];

const MAX_BYTES = 1 << 20;
const MAX_DEPTH = 16;
/** As strongSwan's. */
const MAX_INCLUDES = 10;

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

/** Throws CONFIG_SYNTAX with file and line, CONFIG_INVALID, or SECRET_READABLE_BY_OTHERS of a file with a secret. */
export function parseSwanctl(source: Source, include: Include): Section {
  const root: Section = { settings: new Map(), sections: new Map() };
  new Parser(source, include, 0).parse(root, 0);
  return root;
}

class Parser {
  readonly #source: Source;
  readonly #text: string;
  readonly #include: Include;
  /** How many includes lead here. */
  readonly #includes: number;
  #at = 0;

  constructor(source: Source, include: Include, includes: number) {
    if (source.text.length > MAX_BYTES)
      throw new VpnrError('CONFIG_INVALID', `${source.file}: larger than 1 MiB`);
    this.#source = source;
    this.#text = source.text;
    this.#include = include;
    this.#includes = includes;
  }

  /** Adds the whole text to a section at this depth. */
  parse(section: Section, depth: number): void {
    this.#section(section, depth);
    if (this.#at < this.#text.length) throw this.#wrong('a "}" without its "{"');
  }

  /** Up to the "}" that ends it, or the end of the text. */
  #section(section: Section, depth: number): void {
    if (depth > MAX_DEPTH) throw this.#wrong('sections are nested too deeply');
    for (;;) {
      this.#skip(/(?:\s|#[^\n]*)*/y);
      if (this.#at === this.#text.length || this.#text[this.#at] === '}') return;
      if (this.#take(/include[ \t]+(?=[^=\s])/y) !== '') {
        this.#included(section, depth);
        continue;
      }
      const key = this.#take(/[^\s={}#":,]+/y);
      if (key === '') throw this.#wrong('a name was expected');
      this.#skip(/\s*/y);
      if (this.#text[this.#at] === '{') this.#inner(section, key, depth);
      else if (this.#text[this.#at] === '=') {
        this.#at++;
        section.settings.set(key, this.#value());
        if (key === 'secret') this.#checkReaders();
      } else throw this.#wrong(`"=" or "{" was expected behind "${key}"`);
    }
  }

  /** What is included belongs to the section in which that stands. */
  #included(section: Section, depth: number): void {
    if (this.#includes === MAX_INCLUDES) throw this.#wrong('includes are nested too deeply');
    let pattern = '';
    for (let part = 'x'; part !== ''; pattern += part) {
      part = this.#take(/[^\s"\\#}]+|\\["#} ]|\\/y).replace(/^\\(?=.)/, '') || (this.#quoted() ?? '');
    }
    for (const source of this.#include(pattern.trim(), this.#source.file))
      new Parser(source, this.#include, this.#includes + 1).parse(section, depth);
  }

  /** A section that comes again goes on. */
  #inner(section: Section, key: string, depth: number): void {
    const begin = this.#at++;
    const inner = section.sections.get(key) ?? { settings: new Map(), sections: new Map() };
    section.sections.set(key, inner);
    this.#section(inner, depth + 1);
    if (this.#text[this.#at] !== '}') {
      this.#at = begin;
      throw this.#wrong(`the section "${key}" is not closed`);
    }
    this.#at++;
  }

  #checkReaders(): void {
    const { file, isReadableByOthers } = this.#source;
    if (!isReadableByOthers) return;
    throw new VpnrError(
      'SECRET_READABLE_BY_OTHERS',
      `${file} holds a secret, and others than its owner can read it`,
      {
        remedy: `chmod 600 ${file}`,
      },
    );
  }

  #value(): string {
    this.#skip(/[ \t]*/y);
    let value = '';
    for (;;) {
      value += this.#take(/[^"#}\n]+/y);
      const inner = this.#quoted();
      if (inner === undefined) return value.trim();
      // Only what stands in quotes keeps its blanks.
      if (value.trim() === '') {
        this.#skip(/[^#}\n]*/y);
        return inner;
      }
      value += inner;
    }
  }

  /** What stands in quotes; undefined where none begins. */
  #quoted(): string | undefined {
    if (this.#text[this.#at] !== '"') return undefined;
    const quoted = this.#take(/"(?:[^"\\]|\\[\s\S])*"/y);
    if (quoted === '') throw this.#wrong('a quote is not closed');
    return quoted.slice(1, -1).replace(/\\([\s\S])/g, (_, letter: string) => ESCAPES[letter] ?? letter);
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
    return new VpnrError('CONFIG_SYNTAX', `${this.#source.file}:${line}: ${what}`, {
      remedy: 'give a swanctl.conf that `swanctl --load-all` accepts',
    });
  }
}
