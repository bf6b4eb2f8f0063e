import { expect, it } from 'vitest';
import { loadFakeModel } from '../../../test/fake-model.ts';
import { createServer } from '../create-server.ts';
import { isRefused } from '../parameter-table.ts';
import { ROUTES } from '../routes.ts';

it('has every route and parameter, and asks nobody for anything', async () => {
  const { model } = await loadFakeModel();
  const response = await createServer({ models: { fake: model } }).fetch(new Request('http://localhost/docs')) as Response;
  const html = await response.text();
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(html).not.toMatch(/<script|https?:\/\/|src=|@import|url\(/);
  const sections = html.split('<details>').slice(1);
  expect(sections).toHaveLength(ROUTES.length);
  for (const [index, { method, path, parameters, form, query }] of ROUTES.entries()) {
    const section = sections[index]!;
    expect(section).toContain(`${method}</span> <code>${path}</code>`);
    for (const [name, parameter] of Object.entries({ ...parameters, ...form, ...query })) {
      expect(section).toContain(`<code>${name}</code></td>`);
      if (isRefused(parameter)) expect(section).toMatch(new RegExp(`class="refused"><td><code>${name}</code></td><td>refused</td>`));
    }
  }
  // Each says what it does.
  expect([...html.matchAll(/<code>([^<]*)<\/code><\/td><td>[^<]*<\/td><td><\/td>/g)].map(([, name]) => name)).toEqual([]);
  await model.dispose();
});

it('writes what a table says as text', async () => {
  const { docsPage } = await import('./docs-page.ts');
  const parameters = { '<b>': { schema: { enum: ['"&'] } }, 'o': { table: { k: { refused: 'a < b.' } } } } as const;
  const html = await docsPage([{ method: 'POST', path: '/<i>', summary: 'a & b', parameters }]).text();
  expect(html).toContain('<code>/&lt;i&gt;</code></h2><p>a &amp; b</p>');
  expect(html).toContain('<td><code>&lt;b&gt;</code></td><td>&quot;\\&quot;&amp;&quot;</td>');
  expect(html).toContain('<td><code>o.k</code></td><td>refused</td><td>a &lt; b.</td>');
});
