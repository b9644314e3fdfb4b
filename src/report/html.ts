/** Self-contained HTML pages: no scripts, no external resources, light and dark as the reader prefers. */

const STYLE = `
  :root { color-scheme: light dark; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
  svg { width: 100%; height: auto; } svg text { fill: currentColor; font-size: 12px; }
  table { border-collapse: collapse; } td, th { padding: .2rem 1rem .2rem 0; text-align: left; vertical-align: top; }
  td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; }
  pre { white-space: pre-wrap; }`;

/** A whole page; `body` is HTML, `title` text. `style`: rules beyond the usual ones. */
export function htmlPage({
  title,
  body,
  style = '',
}: {
  title: string;
  body: string;
  style?: string;
}): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeText(title)}</title>
<style>${STYLE}${style}
</style>
<h1>${escapeText(title)}</h1>
${body}
</html>
`;
}

/** A coordinate, to a tenth of a pixel. */
export const round = (value: number) => Math.round(value * 10) / 10;

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, character => ENTITIES[character] ?? '');
}
