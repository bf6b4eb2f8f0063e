/**
 * File bytes to packed planes (packed-layout.ts), on the GPU: a piece of some rows of one tensor a dispatch. Each invocation makes 32
 * codes of a block format, with the scales that belong to them, or 16 bytes of floats. The text is generated from the format's record;
 * sizes and places of a piece come from a uniform, so that a model takes one pipeline for each of its types.
 */
import { CapacityError } from '../../../tensor/errors.ts';
import { kernelHeader, kernelKey, linearWorkgroups } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { INTERLEAVE_ROWS, planesOf, rowStride } from '../../packed-layout.ts';
import type { PackedFormat } from '../../packed-layout.ts';
import { repackBlocks } from './repack-blocks.ts';
import { repackFloats } from './repack-floats.ts';

export interface RepackVariant {
  readonly format: PackedFormat;
}

/** A run of rows of one tensor, and where they go. */
export interface RepackPiece {
  readonly cols: number;
  /** Rows in this piece, and the first one's number in the tensor. */
  readonly rows: number;
  readonly firstRow: number;
  /** Row of the matrix at which the tensor, or the first of those interleaved with it, begins. */
  readonly rowOffset: number;
  /** Which of how many interleaved tensors this is: 0 of 1 where rows follow each other. */
  readonly part: number;
  readonly parts: number;
  /** Element of `errors` that is this tensor's. */
  readonly errorSlot: number;
}

const PIECE_STRUCT =
  'struct Piece { cols: u32, rows: u32, firstRow: u32, rowOffset: u32, part: u32, parts: u32, errorSlot: u32, unused: u32 }';

/** Bytes of the `piece` uniform. */
export const PIECE_BYTES = 32;

/** Bytes after a piece that `raw` must have: unaligned values are read by whole words. What they hold does not matter. */
export const RAW_SLACK_BYTES = 32;

/** Initial value of each element of `errors`. A kernel leaves there the number, in its tensor, of the first block with NaN or infinity. */
export const ALL_FINITE = 0xffffffff;

export function pieceUniform({ cols, rows, firstRow, rowOffset, part, parts, errorSlot }: RepackPiece): Uint32Array<ArrayBuffer> {
  return Uint32Array.of(cols, rows, firstRow, rowOffset, part, parts, errorSlot, 0);
}

const WORKGROUP_SIZE = 256;

/**
 * Bindings: `raw` (the piece's bytes, then slack), a plane of the matrix each under its own name, `errors`, `piece`.
 * Scales are put together from halves or bytes: their plane must hold zeros before the first piece.
 * @throws CapacityError for a record that asks for what this kernel cannot do.
 */
export function repackKernel(variant: RepackVariant): Kernel {
  const { format } = variant;
  const body = format.kind === 'blocks' ? repackBlocks(format) : repackFloats(format);
  const bindings = repackBindings(format);
  return {
    // A type's name stands for its record, which the registry holds once.
    key: kernelKey('repack', { type: format.type }),
    label: `repack ${format.type}`,
    wgsl: [PIECE_STRUCT, kernelHeader(bindings, {}), SHARED, `const SIZE = ${WORKGROUP_SIZE}u;`, body].join('\n'),
    bindings,
    workgroupSize: WORKGROUP_SIZE,
    needs: {},
  };
}

function repackBindings(format: PackedFormat): readonly Binding[] {
  // The planes' names and order do not depend on the columns.
  const planes = planesOf(format, 256).map(({ name, element }): Binding => {
    const stored = element.replace('f32', 'u32');
    return { name, access: 'write', type: `array<${name === 'scales' ? 'atomic<u32>' : stored}>` };
  });
  return [
    { name: 'raw', access: 'read', type: 'array<u32>' },
    ...planes,
    { name: 'errors', access: 'write', type: 'array<atomic<u32>>' },
    { name: 'piece', access: 'uniform', type: 'Piece' },
  ];
}

/** @throws CapacityError where one piece needs more workgroups than a dispatch has. */
export function repackWorkgroups({ format }: RepackVariant, { rows, cols }: Pick<RepackPiece, 'rows' | 'cols'>): Workgroups {
  const perRow = format.kind === 'blocks' ? cols / 32 : rowStride(format, cols) / (format.type === 'f32' ? 4 : 8);
  if (rows * perRow >= 2 ** 32) throw new CapacityError(`A piece of ${rows} rows of ${cols} columns is more than one dispatch repacks.`);
  return linearWorkgroups(Math.ceil((rows * perRow) / WORKGROUP_SIZE));
}

/**
 * `joined`: the 32 bits from bit `shift` of two words on; shift is 0, 8, 16 or 24. `wordAt`: those of any byte of `raw`.
 * `matrixRow`: where row `row` of the piece goes. `report`: block `block` of the tensor is not finite.
 */
const SHARED = `
fn joined(low: u32, high: u32, shift: u32) -> u32 {
  return (low >> shift) | ((high << 1u) << (31u - shift));
}
fn wordAt(at: u32) -> u32 {
  return joined(raw[at >> 2u], raw[(at >> 2u) + 1u], (at & 3u) << 3u);
}
fn matrixRow(row: u32) -> u32 {
  let own = piece.firstRow + row;
  let run = own / ${INTERLEAVE_ROWS}u;
  return piece.rowOffset + (run * piece.parts + piece.part) * ${INTERLEAVE_ROWS}u + (own - run * ${INTERLEAVE_ROWS}u);
}
fn report(block: u32) {
  atomicMin(&errors[piece.errorSlot], block);
}`;
