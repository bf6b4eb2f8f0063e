/** `/docs`: the routes and their parameters for people, made of what `/openapi.json` says. No script, and nothing of other hosts. */
import { isRefused } from '../parameter-table.ts';
import type { ParameterTable } from '../parameter-table.ts';
import type { DescribedRoute } from '../openapi.ts';
import type { Schema } from '../schema.ts';

const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1rem; margin: 0; display: inline; }
code, .method { font-family: ui-monospace, monospace; font-size: 0.9em; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; }
details { border: 1px solid var(--line); border-radius: 0.5rem; margin: 0.5rem 0; padding: 0.5rem 0.75rem; }
summary { cursor: pointer; } summary p { margin: 0; opacity: 0.75; }
table { border-collapse: collapse; width: 100%; margin: 0.75rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.5rem; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
td:nth-child(2) { min-width: 10rem; } @media (min-width: 50rem) { td:first-child { min-width: 15rem; } } .refused { opacity: 0.75; }
`;

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** In a few words: `integer 1 to 20`, `list of string or object`. */
function kindOf({ type, enum: values, anyOf, items, minimum, maximum, exclusiveMinimum }: Schema): string {
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(' or ');
  if (anyOf !== undefined) return [...new Set(anyOf.map(kindOf))].join(' or ');
  if (type === 'array') return `list${items === undefined ? '' : ` of ${kindOf(items)}`}`;
  const isBound = (value: number | undefined) => value !== undefined && Math.abs(value) !== Number.MAX_SAFE_INTEGER;
  const low = exclusiveMinimum !== undefined ? `above ${exclusiveMinimum}` : isBound(minimum) ? minimum : undefined;
  const high = isBound(maximum) ? maximum : undefined;
  const range = low === undefined ? '' : high === undefined ? ` ${low} or more` : ` ${low} to ${high}`;
  return `${type ?? 'any'}${range}`;
}

interface Row {
  readonly name: string;
  readonly kind: string;
  readonly about: string;
  readonly isRefused?: true;
}

function rowsOf(table: ParameterTable, inside = ''): Row[] {
  return Object.entries(table).flatMap(([own, parameter]): Row[] => {
    const name = `${inside}${own}`;
    if (isRefused(parameter)) return [{ name, kind: 'refused', about: parameter.refused, isRefused: true }];
    if ('table' in parameter)
      return [{ name, kind: 'object', about: parameter.about ?? '' }, ...rowsOf(parameter.table, `${name}.`)];
    const { schema, about = schema.description ?? '', isRequired } = parameter;
    return [{ name, kind: `${kindOf(schema)}${isRequired ? ', required' : ''}`, about }];
  });
}

function rowHtml({ name, kind, about, isRefused: refused }: Row): string {
  const cells = [`<code>${escaped(name)}</code>`, escaped(kind), escaped(about)].map((cell) => `<td>${cell}</td>`).join('');
  return `<tr${refused ? ' class="refused"' : ''}>${cells}</tr>`;
}

function routeHtml({ method, path, summary, parameters, form, query, events = {} }: DescribedRoute): string {
  const ofEvents = Object.entries(events).flatMap(([type, table]) => rowsOf(table, `${type}: `));
  const rows = [...rowsOf({ ...query, ...(parameters ?? form) }), ...ofEvents];
  const head = `<h2><span class="method">${method}</span> <code>${escaped(path)}</code></h2><p>${escaped(summary)}</p>`;
  if (rows.length === 0) return `<details><summary>${head}</summary><p>No parameters.</p></details>`;
  const sorted = [...rows.filter((row) => !row.isRefused), ...rows.filter((row) => row.isRefused)];
  return `<details><summary>${head}</summary><table><thead><tr><th>parameter</th><th>value</th><th>what it does</th></tr></thead>` +
    `<tbody>${sorted.map(rowHtml).join('')}</tbody></table></details>`;
}

/** @param routes all that the server has */
export function docsPage(routes: readonly DescribedRoute[]): Response {
  const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Ingot: routes</title><style>${STYLE}</style></head>
<body>
<h1>Routes of this server</h1>
<p>Parameters are in a body of JSON, those of GET behind the <code>?</code>.
What is refused is answered with status 400 and its name, unless its value asks for nothing.
For programs: <a href="/openapi.json">openapi.json</a>. To chat: <a href="/">the page at /</a>.</p>
${routes.map(routeHtml).join('\n')}
</body>
</html>
`;
  return new Response(html, {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  });
}
