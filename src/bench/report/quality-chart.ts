/** Quality beside size: a place for each file, where several files were judged. */
import { medianInterval } from '../noise.ts';
import type { ResultRow } from '../read-results.ts';
import type { Chart } from './chart.ts';

/** The first that was measured of several files says most. */
const MEASURES = [
  {
    measure: 'divergence from the reference', title: 'Distance from the reference by size',
    note: 'Mean divergence of next-token distributions. Lower and further left is better.',
  },
  { measure: 'perplexity', title: 'Perplexity by size', note: 'Of the same text. Lower and further left is better.' },
  { measure: 'tasks answered well', title: 'Tasks answered well by size', note: 'Higher and further left is better.' },
] as const;

/** One chart for each measure that two files or more have. */
export function qualityCharts(rows: readonly ResultRow[], labelOf: (row: ResultRow) => string): Chart[] {
  return MEASURES.map(({ measure, title, note }): Chart => {
    const found = rows.filter((row) => row.measure === measure && row.model.sizeBytes !== null);
    const points = found.map((row) => ({
      engine: labelOf(row), model: row.model.file, x: (row.model.sizeBytes as number) / 1e6, y: row.median, ...medianInterval(row.runs),
    }));
    const isPlaced = new Set(found.map(({ model }) => model.file)).size > 1;
    return {
      id: `size-${measure.replaceAll(' ', '-')}`, title, note, unit: found[0]?.unit ?? '', kind: 'places', xLabel: 'MB of the file',
      isLogX: false, points: isPlaced ? points.sort((a, b) => a.x - b.x) : [],
    };
  });
}
