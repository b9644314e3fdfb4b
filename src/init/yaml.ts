/** Writing values into the text of a YAML file. */
import { parse } from 'yaml';

/** A text or a list of texts: bare where YAML reads it back as the same, else quoted as in JSON. */
export function quoted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(quoted).join(', ')}]`;
  const text = String(value);
  const isPlain = /^[\w./-][\w./:@-]*$/.test(text) && !text.endsWith(':') && isText(text);
  return isPlain ? text : JSON.stringify(text);
}

/** Not a number, a truth value or the like. Also under YAML 1.1, whose readers are still about. */
function isText(text: string): boolean {
  return typeof parse(text) === 'string' && typeof parse(text, { version: '1.1' }) === 'string';
}
