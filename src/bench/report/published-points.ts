/** Published figures as bars of a report: beside rows of one's own with the same model, marked, with the share of that chip's peak. */
import { CHIPS } from '../published/chips.ts';
import { predictRow, shareOfRow } from '../published/predicted.ts';
import { PUBLISHED_ROWS, SOURCES } from '../published/published-rows.ts';
import type { ResultRow } from '../read-results.ts';
import type { Point } from './chart.ts';

const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** For every model that the rows have: what others published of it, and what ingot's own plan should reach on that chip. */
export function publishedPoints(rows: readonly ResultRow[]): Point[] {
  const files = [...new Set(rows.map(({ model }) => model.file))];
  return PUBLISHED_ROWS.filter(({ unit }) => unit === 'tok/s')
    .flatMap((row) =>
      files
        .filter((file) => plain(file).includes(plain(row.model)))
        .flatMap((model): Point[] => {
          const { name } = CHIPS[row.chip];
          const bar = (engine: string, y: number, share: number | undefined, published: string): Point => ({
            engine: `${engine}, ${row.weights}, ${name}, ${published.replace(/ .*|,.*/, '')}`,
            model,
            x: row.measure,
            y,
            low: y,
            high: y,
            share,
            published,
          });
          const prediction = predictRow(row);
          return [
            bar(row.engine, row.value, shareOfRow(row), `published ${SOURCES[row.source].date}`),
            ...(prediction === undefined ? [] : [bar('ingot', prediction.tokensPerSecond, prediction.share, 'predicted, not measured')]),
          ];
        }),
    )
    .filter(
      (point, i, all) =>
        all.findIndex((other) => other.engine === point.engine && other.model === point.model && other.x === point.x) === i,
    );
}
