/** Quality beside size: a place for each file, where several files of one model were judged by the same text or tasks. */
import { baseName, judgedBy, judgedTogether } from '../judged.ts';
import type { Judgement } from '../judged.ts';
import { medianInterval } from '../noise.ts';
import type { ResultRow } from '../read-results.ts';
import type { Chart, Point } from './chart.ts';

interface QualityRule {
  readonly measure: Judgement;
  readonly title: string;
  readonly note: string;
}

/** The first that was measured of several files says most. */
const MEASURES: readonly QualityRule[] = [
  {
    measure: 'divergence from the reference', title: 'Distance from the reference by size',
    note: 'How far its next-token probabilities are from those of the same model in a wider type (mean Kullback-Leibler divergence). ' +
      'Lower and further left is better.',
  },
  { measure: 'perplexity', title: 'Perplexity by size', note: 'How surprised it is by a text. Lower and further left is better.' },
  { measure: 'tasks answered well', title: 'Tasks answered well by size', note: 'Higher and further left is better.' },
];

/** A chart for each measure and model of which two files or more were judged alike. */
export function qualityCharts(rows: readonly ResultRow[], labelOf: (row: ResultRow) => string): Chart[] {
  return MEASURES.flatMap((rule) => {
    const groups = new Map<string, ResultRow[]>();
    for (const row of rows) {
      if (row.measure !== rule.measure || row.model.sizeBytes === null) continue;
      groups.set(judgedTogether(row), [...(groups.get(judgedTogether(row)) ?? []), row]);
    }
    // Of a file that was judged twice alike, the later.
    const keyOf = (row: ResultRow) => `${row.model.file}|${labelOf(row)}`;
    const latest = [...groups.values()].map((found) => [...new Map(found.map((row) => [keyOf(row), row])).values()]);
    const several = latest.filter((found) => new Set(found.map(({ model }) => model.file)).size > 1);
    return several.map((found, i) => chartOf(rule, found, { labelOf, isOneOfMany: several.length > 1, number: i + 1 }));
  });
}

interface ChartPlace {
  readonly labelOf: (row: ResultRow) => string;
  readonly isOneOfMany: boolean;
  readonly number: number;
}

function chartOf({ measure, title, note }: QualityRule, rows: readonly ResultRow[], { labelOf, isOneOfMany, number }: ChartPlace): Chart {
  const points = rows.map((row): Point => ({
    engine: labelOf(row), model: row.model.file, x: (row.model.sizeBytes as number) / 1e6, y: row.median, ...medianInterval(row.runs),
  }));
  const [first] = rows as [ResultRow];
  const id = `size-${measure.replaceAll(' ', '-')}`;
  return {
    id: number === 1 ? id : `${id}-${number}`, title: isOneOfMany ? `${title}: ${baseName(first.model.file)}` : title,
    note: judgedBy(first) === undefined ? `${note} Of which text or tasks, these rows do not say.` : note, unit: first.unit, kind: 'places',
    xLabel: 'MB of the file', isLogX: false, points: points.sort((a, b) => Number(a.x) - Number(b.x)),
  };
}
