import { describe, expect, it } from 'vitest';
import { PROFILES } from '../profile/profiles.ts';
import { expertForms } from './expert-lists.ts';

describe('forms of products with experts', () => {
  it.each(['nvidia', 'apple-m3'] as const)('%s: one for any number of rows', (name) => {
    const forms = expertForms('many', { count: 128, used: 8, profile: PROFILES[name] });
    for (const rows of [9, 63, 64, 128, 255, 256, 1024]) expect(forms.filter(({ isFor }) => isFor(rows)).length, `${rows} rows`).toBe(1);
  });

  it('on matrix units of halves experts of 4 rows on average take tiles of 16 pairs, of 16 rows tiles of 32', () => {
    const forms = expertForms('many', { count: 128, used: 8, profile: PROFILES.nvidia });
    const formOf = (rows: number) => forms.filter(({ isFor }) => isFor(rows)).map(({ kernel, tileRows }) => `${kernel} ${tileRows}`);
    expect([63, 64, 255, 256].map(formOf)).toEqual([['gemv 8'], ['gemm 16'], ['gemm 16'], ['gemm 32']]);
  });
});
