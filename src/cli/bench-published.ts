/** `ingot bench --published`: what others have published, beside one's own rows and beside what our own plan should reach there. */
import { CHIPS } from '../bench/published/chips.ts';
import { figureCells, percent } from '../bench/published/figure-cells.ts';
import { PUBLISHED_ROWS, SOURCES } from '../bench/published/published-rows.ts';
import type { PublishedRow } from '../bench/published/published-rows.ts';
import type { ResultRow } from '../bench/read-results.ts';
import { tableLines } from './text-table.ts';

/** One's own figures that stand beside published ones: a kind of measure in common, whatever the hardware. */
function ownCells({ engine, model, measure, median, limit, device }: ResultRow): string[] {
  const where = device?.adapter?.description || device?.description || engine.device;
  const share = limit?.share === null || limit?.share === undefined ? '' : percent(limit.share);
  return [`${engine.name} (measured)`, where, model.file, '', measure, median.toPrecision(3), share, '', ''];
}

function publishedCells(row: PublishedRow): string[] {
  return [`${row.engine} (published)`, row.chip, row.model, row.weights, row.measure, ...figureCells(row)];
}

/** Lines for a terminal, the published rows first. */
export function publishedLines(own: readonly ResultRow[]): string[] {
  const head = ['engine', 'on', 'model', 'weights', 'measure', 'tok/s', 'of the peak', 'ingot, predicted', 'off by'];
  const mine = own.filter(({ measure }) => /^(decode|prefill) /.test(measure));
  const rows = [...PUBLISHED_ROWS.map(publishedCells), ...mine.map(ownCells)];
  const sources = Object.values(SOURCES).map(({ title, url, date, conditions }) => `${title}, ${date}: ${url}\n  ${conditions}`);
  const chips = Object.values(CHIPS).map(({ name, bytesPerSecond }) => `${name} ${bytesPerSecond / 1e9} GB/s`);
  return [
    ...tableLines([head, ...rows], [5, 6, 7, 8]),
    '',
    'Published rows are figures of their authors: nothing here was measured by ingot on such a chip.',
    `Of the peak: of decoding bytes a second over what the maker states (${chips.join(', ')}), of prefill products; of rows of`,
    'your own, of what copying reaches on that device.',
    "Predicted: ingot's own plan of a step at what microbenchmarks reach of the peaks, and 1.65 us a dispatch; off by: how far it is",
    'from that row.',
    '',
    ...sources,
  ];
}
