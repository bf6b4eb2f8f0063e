import { describe, expect, it } from 'vitest';
import { MATRIX_CONFIGS } from '../../wgsl/subgroup-matrix.ts';
import { tilingsFor } from './matrix-table.ts';

describe.each(['nvidia', 'metalF32'] as const)('the table of tilings, %s', (name) => {
  const config = MATRIX_CONFIGS[name];

  it.each([[2560, 9728], [2560, 4096], [6144, 2560], [19456, 2560], [1024, 3072], [151936, 1024], [64, 64], [4, 32]])(
    '%i x %i: one tiling for any number of rows, with whole parts of the depth', (out, cols) => {
      const tilings = tilingsFor(config, { out, cols, expertRows: undefined });
      for (let rows = 1; rows < 2100; rows++) {
        const own = tilings.filter(({ isFor }) => isFor(rows));
        expect(own.length, `${rows} rows`).toBe(1);
        const { tiling: { splits, tileDepth, burst }, mostRows = 0 } = own[0]!;
        if (splits === 1) continue;
        expect(rows).toBeLessThanOrEqual(mostRows);
        expect(splits).toBeLessThanOrEqual(Math.ceil(Math.ceil(cols / tileDepth) / burst));
      }
    },
  );

  it('experts take tiles of the rows that their lists have', () => {
    const [only, ...others] = tilingsFor(config, { out: 1536, cols: 2048, expertRows: 32 });
    expect(others).toEqual([]);
    expect(only!.tiling).toMatchObject({ tileRows: 32, splits: 1 });
  });
});
