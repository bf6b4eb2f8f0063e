import { AFFINE_GROUPS } from './affine.ts';
import type { AffineGroup } from './affine.ts';
import { SCALE_BYTES } from './scale-values.ts';
import { blockFormat } from './weight-format.ts';
import type { BlockFormat } from './weight-format.ts';

export const POINT_SCALES = ['f16', 'bf16'] as const;
export type PointScale = (typeof POINT_SCALES)[number];
export type ZeroPointName = `affine4_point_g${AffineGroup}_${PointScale}`;

export function zeroPointName(group: AffineGroup, scale: PointScale): ZeroPointName {
  return `affine4_point_g${group}_${scale}`;
}

/**
 * Four bits with a scale and a zero point for each group, as AWQ and GPTQ have them: value = scale * (code - zero point). The zero point,
 * an integer, is held in the scales' own type, which needs no more room than its file for groups of 128 (4.25 bits for 4.16). The block is
 * Ingot's: scale, zero point, codes from the lowest bit on.
 */
function zeroPointFormat(group: AffineGroup, scale: PointScale): BlockFormat {
  const bytes = SCALE_BYTES[scale];
  return blockFormat({
    name: zeroPointName(group, scale), ggmlId: undefined,
    blockSize: group, blockBytes: 2 * bytes + group / 2, groupSize: group,
    codeBits: 4, codePlanes: [{ bits: 4, offset: 2 * bytes, run: 'stream', codeShift: 0 }],
    code: { kind: 'offset', zeroPoint: 0 },
    scale: { levels: 1, format: scale, offset: 0 },
    minimum: { value: { levels: 1, format: scale, offset: bytes }, sign: -1, timesScale: true },
  });
}

export const ZERO_POINT_4 = Object.fromEntries(
  AFFINE_GROUPS.flatMap((group) => POINT_SCALES.map((scale) => [zeroPointName(group, scale), zeroPointFormat(group, scale)])),
) as Readonly<Record<ZeroPointName, BlockFormat>>;
