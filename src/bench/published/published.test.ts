/** docs/published.md: what others published, beside what a step is reckoned to take there. Written by this test (`--update`). */
import { describe, expect, it } from 'vitest';
import { h200Rows } from '../../../test/h200-rows.ts';
import type { H200Row } from '../../../test/h200-rows.ts';
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

const offBy = ({ measured, predicted }: H200Row): number => predicted / measured - 1;
const signed = (share: number) => `${share < 0 ? '' : '+'}${percent(share)}`;

/** Rows that the model misses by more than 15%, and what is known of each. */
const MISSED: Readonly<Record<string, string>> = {
  'gemma-3-1b 57292ac1 decode 128 after 4096':
    'keys split over workgroups for windows of 512 over one key head of 256: no microbenchmark has that shape',
  'llama-3.2-3b 57292ac1 prefill 512': 'of a commit before all products of a layer were one text; the plan is of today',
  'llama-3.2-3b 977b4be5 prefill 2048': 'runs from 25,373 to 31,682: a lease whose device or host was slow at it',
};
const keyOf = ({ model, commit, measure }: H200Row) => `${model} ${commit} ${measure}`;

function h200Line(row: H200Row): string {
  const figures = [row.measured.toFixed(0), row.predicted.toFixed(0), signed(offBy(row)), MISSED[keyOf(row)] ?? ''];
  return `| ${[row.model, row.measure, row.commit, ...figures].join(' | ')} |`;
}

const page = (rows: readonly H200Row[]) => `# Published speeds, and what we expect on those chips

Written by \`src/bench/published/published.test.ts\`; do not edit. \`ingot bench --published\` prints it,
\`ingot bench report --published\` draws it.
**The rows of the first table are their authors' figures; nothing of it was measured by us on such a chip.**

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

## Our own rows on an NVIDIA H200, by a model of the same kind

Rows of \`bench/results/archive/gpu-vs-llama-2026-11.jsonl.gz\` (two leases) of prompts of 512 and more and of decoding, beside what
today's plans come to by microbenchmarks of single kernels there (\`src/bench/published/h200.ts\` says which): copies at 3.94 TB/s,
4 us from a dispatch to the next, 5 of a product on matrix units; a product takes as many rounds of the 132 cores as its tiles make,
each of so many steps of its depth (1.33 to 2 us, the table that picks tiles); attention as many rounds of the cores, and the
longest of its workgroups or a core's share; a product's text that 50 MB pushed out of the cache 18 us; a run 1 ms on the host. No
figure comes of these rows; that a term was missing was seen by them.
Off by: predicted over measured, minus 1; wanted: 15%.

| model, q4_0 | measure | commit | tokens/s | predicted | off by | where by more than 15% |
| --- | --- | --- | ---: | ---: | ---: | --- |
${rows.map(h200Line).join('\n')}
`;

describe('docs/published.md', () => {
  it('is what rows and plans say', async () => {
    const rows = h200Rows();
    await expect(page(rows)).toMatchFileSnapshot('../../../docs/published.md');
    const far = rows.filter((row) => Math.abs(offBy(row)) > 0.15).map(keyOf);
    expect(far.toSorted()).toEqual(Object.keys(MISSED).toSorted());
    expect(rows.length).toBeGreaterThan(25);
  });

  it('no engine passes the peaks, and the model of a step is no more than 2% below the fastest engine of any row', () => {
    for (const row of PUBLISHED_ROWS) expect(shareOfRow(row) ?? 0).toBeLessThan(1);
    for (const row of fastest(PUBLISHED_ROWS)) {
      const prediction = predictRow(row);
      if (prediction !== undefined) expect(prediction.tokensPerSecond / row.value, `${row.engine} ${row.model}`).toBeGreaterThan(0.98);
    }
  });
}, 120_000);
