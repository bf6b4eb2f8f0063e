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

  it('few rows fill the places of the cores, and no more', () => {
    if (name !== 'nvidia') return;
    const tilingOf = (out: number, cols: number) => tilingsFor(config, { out, cols, expertRows: undefined })[0]!.tiling;
    // 40 tiles of 152 steps, fetched by two: in 13 parts of 6 fetches, which 528 places hold; 12 had 7.
    expect(tilingOf(2560, 9728)).toMatchObject({ tileCols: 64, splits: 13, burst: 2 });
    expect(tilingOf(19456, 2560).splits).toBe(1);
    for (let out = 64; out < 40000; out += 64) {
      const { splits } = tilingOf(out, 4096);
      if (splits > 1) expect((out / 64) * splits, `${out} rows of W`).toBeLessThanOrEqual(528);
    }
  });

  it('many rows take what was measured to be fastest', () => {
    if (name !== 'nvidia') return;
    const tilings = (out: number, cols: number) => tilingsFor(config, { out, cols, expertRows: undefined });
    const tileOf = (out: number, cols: number, rows: number) => {
      const { tileRows, tileCols, splits } = tilings(out, cols).find(({ isFor }) => isFor(rows))!.tiling;
      return `${tileRows}x${tileCols} /${splits}`;
    };
    // Of Qwen3-0.6B, Qwen3-4B and Llama-3.2-3B.
    expect(tileOf(6144, 1024, 512)).toBe('128x192 /1');
    expect([128, 512, 1024].map((rows) => tileOf(6144, 2560, rows))).toEqual(['128x192 /4', '256x64 /1', '128x192 /1']);
    expect([128, 512, 1024].map((rows) => tileOf(2560, 9728, rows))).toEqual(['128x160 /8', '256x64 /3', '128x160 /1']);
    expect([512, 1024].map((rows) => tileOf(3072, 8192, rows))).toEqual(['256x64 /5', '128x192 /1']);
    expect([512, 1024].map((rows) => tileOf(5120, 3072, rows))).toEqual(['256x64 /3', '128x160 /1']);
  });

  it('products of a layer of 2,560 and more take one tile at 512 rows and leave their sums; x of floats is halves first', () => {
    if (name !== 'nvidia') return;
    const tilingOf = (out: number, cols: number, isFloat = false) =>
      tilingsFor(config, { out, cols, expertRows: undefined, isFloat }).find(({ isFor }) => isFor(512))!.tiling;
    for (const [out, cols] of [[5120, 3072], [3072, 3072], [16384, 3072], [3072, 8192], [19456, 2560], [2560, 9728]] as const)
      expect(tilingOf(out, cols)).toMatchObject({ tileRows: 256, tileCols: 64, areHalvesReady: true, leavesSums: true });
    // The head, whose sums would be 300 MB; Qwen3-0.6B.
    for (const [out, cols] of [[151936, 2560], [6144, 1024]] as const) expect(tilingOf(out, cols).leavesSums).toBeUndefined();
    expect(tilingOf(128, 2048).areHalvesReady).toBe(false);
    expect(tilingOf(128, 2048, true).areHalvesReady).toBe(true);
  });

  it('experts take tiles of the rows that their lists have', () => {
    const [only, ...others] = tilingsFor(config, { out: 1536, cols: 2048, expertRows: 32 });
    expect(others).toEqual([]);
    expect(only!.tiling).toMatchObject({ tileRows: 32, splits: 1 });
  });
});
