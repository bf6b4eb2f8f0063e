/**
 * MLX's affine formats (mlx/ops.cpp, `quantize`): value = scale * code + bias, codes of a group one behind the other from the lowest bit
 * on. A folder holds codes, scales and biases in three tensors; a block here is a group: scale, bias, codes. GPTQ, AWQ and packed int4 of
 * compressed-tensors are read into them too.
 */
import { SCALE_BYTES } from './scale-values.ts';
import { blockFormat } from './weight-format.ts';
import type { BlockFormat } from './weight-format.ts';

/** Widths of codes; the formats of each are a file of their own. */
export const AFFINE_BITS = [2, 3, 4, 5, 6, 8] as const;
export const AFFINE_GROUPS = [32, 64, 128] as const;
/** Scales and biases come in the type of the model's floats. */
export const AFFINE_SCALES = ['f16', 'bf16', 'f32'] as const;

export type AffineBits = (typeof AFFINE_BITS)[number];
export type AffineGroup = (typeof AFFINE_GROUPS)[number];
export type AffineScale = (typeof AFFINE_SCALES)[number];
export type AffineName<Bits extends AffineBits> = `affine${Bits}_g${AffineGroup}_${AffineScale}`;

export function affineName<Bits extends AffineBits>(bits: Bits, group: AffineGroup, scale: AffineScale): AffineName<Bits> {
  return `affine${bits}_g${group}_${scale}`;
}

/** The formats of one width, by name. */
export function affineFormats<Bits extends AffineBits>(bits: Bits): Readonly<Record<AffineName<Bits>, BlockFormat>> {
  const formats = AFFINE_GROUPS.flatMap((group) => AFFINE_SCALES.map((scale) => affineFormat(bits, group, scale)));
  return Object.fromEntries(formats.map((format) => [format.name, format])) as Record<AffineName<Bits>, BlockFormat>;
}

function affineFormat(bits: AffineBits, group: AffineGroup, scale: AffineScale): BlockFormat {
  const scaleBytes = SCALE_BYTES[scale];
  return blockFormat({
    name: affineName(bits, group, scale), ggmlId: undefined,
    blockSize: group, blockBytes: 2 * scaleBytes + (group * bits) / 8, groupSize: group,
    codeBits: bits, codePlanes: [{ bits, offset: 2 * scaleBytes, run: 'stream', codeShift: 0 }],
    code: { kind: 'offset', zeroPoint: 0 },
    scale: { levels: 1, format: scale, offset: 0 },
    minimum: { value: { levels: 1, format: scale, offset: scaleBytes }, sign: 1 },
  });
}
