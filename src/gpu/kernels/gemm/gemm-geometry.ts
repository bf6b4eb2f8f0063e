/** How a tile of the result is shared out over a workgroup: numbers that the texts of the GEMM's stages have in common. */
import { isPowerOfTwo } from '../../kernel.ts';
import { INTERLEAVE_ROWS } from '../../packed-layout.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { hasTwoEnds, matrixRows } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';

export interface GemmVariant {
  readonly shape: LinearShape;
  /** `int8`: block weights times a q8 or q8n input, four products an instruction. `f32`: any weights times an f32 input. */
  readonly arithmetic: 'int8' | 'f32';
  /** Rows of x in a tile: `rowsPerInvocation` times a power of two. */
  readonly tileRows: number;
  /** Rows of W, columns of the product, in a tile: a multiple of 32. */
  readonly tileCols: number;
  /** Elements of a row that lie in workgroup memory at a time: 32, 64 or 128 (int8), 16 or 32 (f32). */
  readonly tileDepth: number;
  /** Rows of x that one invocation owns, a multiple of 4. It owns tileCols / 16 columns. */
  readonly rowsPerInvocation: number;
}

/** Lanes across the columns of a tile. 16 of them make a q8 block, and meet gate and up of the same unit in an invocation of theirs. */
export const LANES_ACROSS = Q8_BLOCK;

export interface GemmGeometry {
  readonly tileRows: number;
  readonly tileCols: number;
  readonly workgroupSize: number;
  /** Lanes down the rows. Invocation (tx, ty) owns rows ty + lanesDown * i and columns tx + LANES_ACROSS * j. */
  readonly lanesDown: number;
  readonly rowsEach: number;
  readonly colsEach: number;
  /** What one fetch brings: 32 elements of a line (int8) or 4 (f32); how many a line has in a tile, and in the whole matrix. */
  readonly unitsPerLine: number;
  readonly units: number;
  /** Tiles along a line. */
  readonly steps: number;
  /** True where the last of them reaches past the line's end. */
  readonly hasTail: boolean;
  /** Unused elements after each run of lines, so that the lanes of a store hit different banks of 16 bytes. */
  readonly padding: number;
}

function check(variant: GemmVariant): void {
  const { shape, arithmetic, tileRows, tileCols, tileDepth, rowsPerInvocation } = variant;
  const fail = (what: string) => {
    throw new Error(`gemm: ${what}`);
  };
  if ((arithmetic === 'f32') !== (shape.input === 'f32')) fail(`${arithmetic} arithmetic does not take ${shape.input} input`);
  if (tileCols % 32 !== 0 || tileCols > 256) fail(`tiles of ${tileCols} columns; need a multiple of 32`);
  if (rowsPerInvocation % 4 !== 0 || !isPowerOfTwo(tileRows / rowsPerInvocation))
    fail(`tiles of ${tileRows} rows, ${rowsPerInvocation} an invocation`);
  if (!(arithmetic === 'int8' ? [32, 64, 128] : [16, 32]).includes(tileDepth)) fail(`tiles ${tileDepth} deep in ${arithmetic}`);
  if (hasTwoEnds(shape)) fail('a product is gated, activated or added to a residual');
  const parts = shape.experts ? [{ rows: matrixRows(shape) }] : shape.parts;
  if (shape.gated && parts.length !== 1) fail('a gated product has one part');
  if (shape.gated && parts[0]!.rows % (2 * INTERLEAVE_ROWS) !== 0) fail(`a gated part of ${parts[0]!.rows} rows`);
  const { experts, residual, activation, outputs, norm } = shape;
  if (experts && (experts.summed || residual || activation || outputs.q8?.norm || (norm && experts.each)))
    fail('a result of one expert has no such end');
  if (shape.outputs.q8) {
    for (const { rows } of parts) if (rows % Q8_BLOCK !== 0) fail(`a part of ${rows} rows has no whole blocks of q8`);
  }
}

export function gemmGeometry(variant: GemmVariant): GemmGeometry {
  check(variant);
  const { shape, arithmetic, tileRows, tileCols, tileDepth, rowsPerInvocation } = variant;
  const unit = arithmetic === 'int8' ? 32 : 4;
  const unitsPerLine = tileDepth / unit;
  const units = Math.ceil(shape.cols / unit);
  const lanesDown = tileRows / rowsPerInvocation;
  return {
    tileRows, tileCols, lanesDown, unitsPerLine, units,
    workgroupSize: lanesDown * LANES_ACROSS,
    rowsEach: rowsPerInvocation,
    colsEach: tileCols / LANES_ACROSS,
    steps: Math.ceil(units / unitsPerLine),
    hasTail: units % unitsPerLine !== 0,
    padding: arithmetic === 'f32' ? 8 / unitsPerLine : ({ 1: 0, 2: 2, 4: 1 } as const)[unitsPerLine as 1 | 2 | 4],
  };
}
