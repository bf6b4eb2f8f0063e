/** docs/published.md: what others published, beside what a step is reckoned to take there. Written by this test (`--update`). */
import { describe, expect, it } from 'vitest';
import { CHIPS, DISPATCH_SECONDS, REACHED } from './chips.ts';
import { figureCells, percent } from './figure-cells.ts';
import { predictRow, shareOfRow } from './predicted.ts';
import { PUBLISHED_ROWS, SOURCES } from './published-rows.ts';
import type { PublishedRow } from './published-rows.ts';

/** The fastest engine of each model, weights and measure: what a bound of the hardware is held against. */
const fastest = (rows: readonly PublishedRow[]) =>
  rows.filter((row) =>
    rows.every(
      (other) =>
        other.model !== row.model ||
        other.weights !== row.weights ||
        other.chip !== row.chip ||
        other.measure !== row.measure ||
        other.value <= row.value,
    ),
  );

function line(row: PublishedRow): string {
  return `| ${[row.engine, row.chip, row.model, row.weights, row.measure, ...figureCells(row)].join(' | ')} |`;
}

const page = () => `# Published speeds, and what we expect on those chips

Written by \`src/bench/published/published.test.ts\`; do not edit. \`ingot bench --published\` prints it,
\`ingot bench report --published\` draws it.
**The rows are their authors' figures; nothing here was measured by us on such a chip.**

${Object.values(SOURCES)
  .map(({ title, url, date, conditions }) => `- [${title}](${url}), ${date}: ${conditions}.`)
  .join('\n')}

Of the peak: a row's speed times the bytes (decode) or multiply-adds (prefill) of our own plan of that model with as many bits, over
what the chip has: ${Object.values(CHIPS)
  .map(
    ({ name, bytesPerSecond, multiplyAddsPerSecond }) =>
      `${name} ${bytesPerSecond / 1e9} GB/s and ${(multiplyAddsPerSecond / 1e12).toFixed(1)} x 10^12 f32 multiply-adds/s`,
  )
  .join(', ')}.

Predicted is what ingot should reach there: the plan's bytes at ${percent(REACHED.bandwidth)} of the bandwidth or its
multiply-adds at ${percent(REACHED.matrices)} of the peak, whichever takes longer, and ${(DISPATCH_SECONDS * 1e6).toFixed(2)} us for each
dispatch. These three come from microbenchmarks of others (sources in \`src/bench/published/chips.ts\`), never from the rows.
Off by: predicted over published, minus 1. It is a bound on what so many bytes and dispatches allow more than a
forecast: an engine that is much slower than it leaves something on the table, as ours may.

| engine | chip | model | weights | measure | published | of the peak | ingot, predicted | off by |
| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: |
${PUBLISHED_ROWS.map(line).join('\n')}
`;

describe('docs/published.md', () => {
  it('is what rows and plans say', async () => {
    await expect(page()).toMatchFileSnapshot('../../../docs/published.md');
  });

  it('no engine passes the peaks, and the model of a step is no more than 2% below the fastest engine of any row', () => {
    for (const row of PUBLISHED_ROWS) expect(shareOfRow(row) ?? 0).toBeLessThan(1);
    for (const row of fastest(PUBLISHED_ROWS)) {
      const prediction = predictRow(row);
      if (prediction !== undefined) expect(prediction.tokensPerSecond / row.value, `${row.engine} ${row.model}`).toBeGreaterThan(0.98);
    }
  });
}, 120_000);
