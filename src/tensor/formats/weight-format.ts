/**
 * What a format of weights is: a record that says how values are stored, with its decoder and, where it has one, its encoder. All that
 * a kernel generator, a repacker, a check or a test has to know of a format is here; the formats themselves have a file each, and
 * `weight-formats.ts` lists them. Offsets and orders are ggml's (ggml-common.h, ggml-quants.c) and MLX's (mlx/ops.cpp).
 */
import type { ScaleFormat } from './scale-values.ts';
import type { SubScalePacking } from './sub-scales.ts';

/** f32 values to a format's bytes. */
export interface Encoder {
  /** Writes whole blocks, whose values are finite and within `largest`, to the start of `out`. */
  readonly rows: (values: Float32Array, out: Uint8Array) => void;
  /** The largest magnitude that a value may have. */
  readonly largest: number;
}

interface FormatBase {
  /** Lower-case name used everywhere in Ingot. */
  readonly name: string;
  /** ggml type id, as GGUF stores it; undefined for formats that only folders of safetensors hold. */
  readonly ggmlId: number | undefined;
  /** Elements and bytes of a block; a row holds a whole number of blocks. K-quants call theirs a super-block. */
  readonly blockSize: number;
  readonly blockBytes: number;
  readonly encode?: Encoder | undefined;
}

/** Values stored one by one as floats. */
export interface FloatFormat extends FormatBase {
  readonly kind: 'float';
  readonly bits: 16 | 32;
  readonly format: 'f32' | 'f16' | 'bf16';
}

/**
 * Where some bits of every code of a block lie. In runs, element i's `bits` bits are in byte
 * `offset + run * floor(i / chunk) + i % run` from bit `bits * floor((i % chunk) / run)` on, with `chunk = run * 8 / bits`:
 * so `run` consecutive elements use the same bits of `run` consecutive bytes. In a stream, element i's bits are bits `bits * i` and on of
 * the bytes from `offset` on, lowest bit first, and may go on in the next byte.
 */
export interface CodePlane {
  readonly bits: 1 | 2 | 3 | 4 | 5 | 6 | 8;
  readonly offset: number;
  /** A power of two, with bits that divide 8; or a stream. */
  readonly run: number | 'stream';
  /** Position of these bits in the code. */
  readonly codeShift: number;
}

/** One scale for each group at `offset` and on. */
export interface DirectScale {
  readonly levels: 1;
  readonly format: ScaleFormat;
  readonly offset: number;
}

/** One f16 for a super-block times a small integer for each group. */
export interface TwoLevelScale {
  readonly levels: 2;
  readonly format: 'f16';
  /** Offset of the super-block's f16. */
  readonly offset: number;
  /** Offset of the packed small integers, and how they are packed. */
  readonly subOffset: number;
  readonly subPacking: SubScalePacking;
}

export type GroupScale = DirectScale | TwoLevelScale;

export interface Minimum {
  readonly value: GroupScale;
  readonly sign: 1 | -1;
  /** It counts in scales: a zero point, subtracted from the code. Absent: it is of the values' own size. */
  readonly timesScale?: true | undefined;
}

/** Values stored as codes in groups that share a scale: value = scale * (meaning of the code), then +- the group's minimum. */
export interface BlockFormat extends FormatBase {
  readonly kind: 'block';
  readonly codeBits: 2 | 3 | 4 | 5 | 6 | 8;
  readonly codePlanes: readonly CodePlane[];
  readonly code: CodeMeaning;
  /** Elements under one scale, and how many such groups a block has. */
  readonly groupSize: number;
  readonly groupsPerBlock: number;
  readonly scale: GroupScale;
  /** Affine formats: `sign * minimum` is added to scale * code. Undefined for symmetric formats. */
  readonly minimum: Minimum | undefined;
}

/**
 * What a code stands for: itself less a zero point; a two's complement number; or the entry of a codebook that has its number, an
 * integer of int8's range for `integers`, any f32 for `floats`.
 */
export type CodeMeaning =
  | { readonly kind: 'offset'; readonly zeroPoint: number }
  | { readonly kind: 'signed' }
  | { readonly kind: 'integers'; readonly values: readonly number[] }
  | { readonly kind: 'floats'; readonly values: readonly number[] };

export type WeightFormat = FloatFormat | BlockFormat;

/** What {@link blockFormat} is told; `groupsPerBlock` follows from it. */
type BlockDescription = Omit<BlockFormat, 'kind' | 'groupsPerBlock'>;

/** Names keep their literal type, so that the registry's types are known by name. */
export function blockFormat<const Name extends string>(
  description: BlockDescription & { readonly name: Name },
): BlockFormat & { readonly name: Name } {
  return { kind: 'block', ...description, groupsPerBlock: description.blockSize / description.groupSize };
}

/** The integer or value that each code stands for, by code. */
export function codeValues({ code, codeBits }: Pick<BlockFormat, 'code' | 'codeBits'>): readonly number[] {
  if (code.kind === 'integers' || code.kind === 'floats') return code.values;
  const count = 2 ** codeBits;
  return Array.from({ length: count }, (_, c) => {
    if (code.kind === 'signed') return c < count / 2 ? c : c - count;
    return c - code.zeroPoint;
  });
}

/** An f16 at an offset of the block, for its only group. */
export function f16At(offset: number): DirectScale {
  return { levels: 1, format: 'f16', offset };
}
