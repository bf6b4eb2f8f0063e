/** The figures of a published row, as tables show them. */
import { predictRow, shareOfRow } from './predicted.ts';
import type { PublishedRow } from './published-rows.ts';

export const percent = (share: number): string => `${Math.round(100 * share)}%`;

/** What was published, its share of the chip's peak, what ingot should reach there, and how far that is from it; empty: there is none. */
export function figureCells(row: PublishedRow): readonly [published: string, share: string, predicted: string, offBy: string] {
  const prediction = predictRow(row);
  const share = shareOfRow(row);
  const off = prediction && prediction.tokensPerSecond / row.value - 1;
  return [
    `${row.value}${row.unit === 'ms' ? ' ms' : ''}`,
    share === undefined ? '' : percent(share),
    prediction === undefined ? '' : prediction.tokensPerSecond.toFixed(0),
    off === undefined ? '' : `${off < 0 ? '' : '+'}${percent(off)}`,
  ];
}
