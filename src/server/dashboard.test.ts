/** `examples/grafana-dashboard.json` asks for figures that the server gives. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadFakeModel } from '../../test/fake-model.ts';
import { createServer } from './create-server.ts';

const dashboard = JSON.parse(readFileSync(new URL('../../examples/grafana-dashboard.json', import.meta.url), 'utf8'));

/** Words of PromQL that are no names of figures: functions, and what stands in its clauses. */
const WORDS = new Set(['sum', 'by', 'rate', 'histogram_quantile', 'le', 'model_name', 'outcome', 'finished_reason', 'label_values']);

/** Names of figures in an expression, and labels beside them. */
function namesOf(expression: string): string[] {
  const plain = expression.replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ').replaceAll(/\b[\d.]+\b/g, ' ');
  return [...plain.matchAll(/[a-z_][a-z0-9_:]*/g)].map(([name]) => name).filter((name) => !WORDS.has(name));
}

it('its panels read names, and labels, that /metrics has', async () => {
  const { model } = await loadFakeModel();
  const server = createServer({ models: { fake: model } });
  const text = await (await server.fetch(new Request('http://localhost/metrics'))).text();
  const given = new Set([...text.matchAll(/^([a-z_:][a-z0-9_:]*)[ {]/gm)].map(([, name]) => name));
  const labels = new Set([...text.matchAll(/[{,]([a-z_]+)="/g)].map(([, label]) => label));
  const targets = dashboard.panels.flatMap((panel: any) => panel.targets.map(({ expr }: any) => expr)) as string[];
  const queries = dashboard.templating.list.flatMap(({ query }: any) => query.query ?? []) as string[];
  const asked = [...targets, ...queries].flatMap(namesOf);
  expect(asked.length).toBeGreaterThan(30);
  expect([...new Set(asked)].filter((name) => !given.has(name))).toEqual([]);
  const askedLabels = targets.flatMap((expr) => {
    const chosen = [...expr.matchAll(/[{,]([a-z_]+)=/g)].map(([, label]) => label);
    return [...chosen, ...[...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, of]) => of!.split(', '))];
  });
  expect(askedLabels.length).toBeGreaterThan(20);
  expect([...new Set(askedLabels)].filter((label) => !labels.has(label))).toEqual([]);
  // Every figure of our own is shown.
  const own = [...given].filter((name) => name!.startsWith('ingot_')).map((name) => name!.replace(/_(bucket|sum|count)$/, ''));
  expect([...new Set(own)].filter((name) => !asked.some((one) => one.startsWith(name)))).toEqual([]);
  await model.dispose();
});

it('is laid out in rows that do not overlap, every panel with its own number', () => {
  const taken = new Set<string>();
  const numbers = new Set<number>();
  for (const { id, title, gridPos: { x, y, w, h } } of dashboard.panels) {
    expect(numbers.has(id)).toBe(false);
    numbers.add(id);
    expect(x + w, title).toBeLessThanOrEqual(24);
    for (let column = x; column < x + w; column++)
      for (let row = y; row < y + h; row++) {
        expect(taken.has(`${column} ${row}`), title).toBe(false);
        taken.add(`${column} ${row}`);
      }
  }
});
