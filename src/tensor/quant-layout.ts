/**
 * How a weight type stores its values: all that a kernel generator, a repacker or a decoder has to know.
 * A new block format is one more record here. Offsets and orders are ggml's (ggml-common.h, ggml-quants.c)
 * and MLX's (mlx/ops.cpp); `codec/decode-layout.ts` computes values from a record alone and is tested against goldens.
 */
import type { TensorType } from './tensor-type.ts';

/** Values stored one by one as floats. */
export interface FloatLayout {
  readonly kind: 'float';
  readonly type: TensorType;
  readonly bits: 16 | 32;
  readonly format: 'f32' | 'f16' | 'bf16';
  readonly blockSize: 1;
  readonly blockBytes: number;
}

/**
 * Where some bits of every code of a block lie. Element i's `bits` bits are in byte
 * `offset + run * floor(i / chunk) + i % run` from bit `bits * floor((i % chunk) / run)` on, with `chunk = run * 8 / bits`:
 * so `run` consecutive elements use the same bits of `run` consecutive bytes.
 */
export interface CodePlane {
  readonly bits: 1 | 2 | 4 | 8;
  readonly offset: number;
  readonly run: number;
  /** Position of these bits in the code. */
  readonly codeShift: number;
}

/**
 * Packing of the small integers under a super-block's scale.
 * - `bytes`: one byte each, at `offset`.
 * - `k4`: 6-bit scales and minimums of eight groups shared out over 12 bytes (ggml's `get_scale_min_k4`).
 * - `nibbles`: scale in the low and minimum in the high half of one byte per group.
 */
export type SubScalePacking = 'bytes' | 'k4' | 'nibbles';

/** One f16 per group at `offset`, or in a tensor of its own (MLX: `.scales`, `.biases`). */
export interface DirectScale {
  readonly levels: 1;
  readonly format: 'f16' | 'bf16' | 'f32';
  readonly offset: number;
  /** Suffix of the tensor that holds it; undefined where it is in the block. */
  readonly tensorSuffix?: string;
}

/** One f16 per super-block times a small integer per group. */
export interface TwoLevelScale {
  readonly levels: 2;
  readonly format: 'f16';
  /** Offset of the super-block's f16. */
  readonly offset: number;
  readonly subBits: 4 | 6 | 8;
  readonly subSigned: boolean;
  /** Offset of the packed small integers. */
  readonly subOffset: number;
  readonly subPacking: SubScalePacking;
}

export type GroupScale = DirectScale | TwoLevelScale;

/** Values stored as integer codes in groups that share a scale. */
export interface BlockLayout {
  readonly kind: 'block';
  readonly type: TensorType;
  /** Elements and bytes of a block; K-quants call theirs a super-block. */
  readonly blockSize: number;
  readonly blockBytes: number;
  readonly codeBits: number;
  /** True where the 8-bit code is two's complement. */
  readonly codeSigned: boolean;
  readonly codePlanes: readonly CodePlane[];
  /** Elements under one scale, and how many such groups a block has. */
  readonly groupSize: number;
  readonly groupsPerBlock: number;
  readonly scale: GroupScale;
  /** Subtracted from every code: value = scale * (code - zeroPoint), then +- the minimum. */
  readonly zeroPoint: number;
  /** Affine formats: `sign * minimum` is added to scale * code. Undefined for symmetric formats. */
  readonly minimum: { readonly value: GroupScale; readonly sign: 1 | -1 } | undefined;
}

export type QuantLayout = FloatLayout | BlockLayout;

function float(type: 'f32' | 'f16' | 'bf16', bits: 16 | 32): FloatLayout {
  return { kind: 'float', type, bits, format: type, blockSize: 1, blockBytes: bits / 8 };
}

function direct(offset: number): DirectScale {
  return { levels: 1, format: 'f16', offset };
}

function k4(offset: number): TwoLevelScale {
  return { levels: 2, format: 'f16', offset, subBits: 6, subSigned: false, subOffset: 4, subPacking: 'k4' };
}

const Q8_0: BlockLayout = {
  kind: 'block', type: 'q8_0', blockSize: 32, blockBytes: 34,
  codeBits: 8, codeSigned: true, codePlanes: [{ bits: 8, offset: 2, run: 32, codeShift: 0 }],
  groupSize: 32, groupsPerBlock: 1, scale: direct(0), zeroPoint: 0, minimum: undefined,
};

const Q4_0: BlockLayout = {
  kind: 'block', type: 'q4_0', blockSize: 32, blockBytes: 18,
  codeBits: 4, codeSigned: false, codePlanes: [{ bits: 4, offset: 2, run: 16, codeShift: 0 }],
  groupSize: 32, groupsPerBlock: 1, scale: direct(0), zeroPoint: 8, minimum: undefined,
};

const Q4_K: BlockLayout = {
  kind: 'block', type: 'q4_k', blockSize: 256, blockBytes: 144,
  codeBits: 4, codeSigned: false, codePlanes: [{ bits: 4, offset: 16, run: 32, codeShift: 0 }],
  groupSize: 32, groupsPerBlock: 8, scale: k4(0), zeroPoint: 0, minimum: { value: k4(2), sign: -1 },
};

const Q6_K: BlockLayout = {
  kind: 'block', type: 'q6_k', blockSize: 256, blockBytes: 210,
  codeBits: 6, codeSigned: false,
  codePlanes: [
    { bits: 4, offset: 0, run: 64, codeShift: 0 },
    { bits: 2, offset: 128, run: 32, codeShift: 4 },
  ],
  groupSize: 16, groupsPerBlock: 16,
  scale: { levels: 2, format: 'f16', offset: 208, subBits: 8, subSigned: true, subOffset: 192, subPacking: 'bytes' },
  zeroPoint: 32, minimum: undefined,
};

/** The layouts of the types that the executors compute with. */
export const QUANT_LAYOUTS = {
  f32: float('f32', 32),
  f16: float('f16', 16),
  bf16: float('bf16', 16),
  q8_0: Q8_0,
  q4_0: Q4_0,
  q4_k: Q4_K,
  q6_k: Q6_K,
} as const satisfies Partial<Record<TensorType, QuantLayout>>;
