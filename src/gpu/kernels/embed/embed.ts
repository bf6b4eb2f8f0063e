/** Rows of a packed table: y[r] = scale * table[tokens[r]], or that and a base, and what the first norm's product reads. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { partBindings, q8Bindings } from '../../linear-shape.ts';
import type { LinearPartShape } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import type { WeightType } from '../../../tensor/tensor-type.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';
import { rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';
import { weightValueFunctions } from '../../wgsl/weight-values.ts';

/** Rows of a table that is larger than a binding, which have planes of their own. */
export interface TablePiece {
  readonly firstRow: number;
  readonly rows: number;
}

/**
 * Bindings `p0_*`: the planes of the table [vocab, width], or `p{n}_*`: those of its piece n; `tokens`: u32 [rows]; `base`: f32 [rows, of],
 * where there is one; `y`: f32 [rows, width];
 * with `q8n` also `yCodes`, `yStats` and `yGain`: f32 [width], and the width is a multiple of 32. A token past the vocabulary reads the
 * last row.
 */
export interface EmbedVariant extends RowsVariant {
  readonly type: WeightType;
  readonly vocab: number;
  readonly width: number;
  /**
   * Pieces of the table, one behind the other; absent: all of it is one. A row whose token is in none is left as it is, for the dispatch
   * that has its piece.
   */
  readonly pieces?: readonly TablePiece[] | undefined;
  /** Factor of every value; absent: 1. */
  readonly scale?: number | undefined;
  /** Columns of rows of so many, from `start` on, that are added; absent: none are. Multiples of 4, as the width then is. */
  readonly base?: { readonly start: number; readonly of: number } | undefined;
  /** The RMS norm that follows, whose q8n input is written too; `alone`: nobody reads the floats, and `y` is not there. */
  readonly q8n: { readonly eps: number; readonly alone?: true | undefined } | undefined;
}

/** Small workgroups: one row of a decode step still spreads over several cores. */
function piecesOf(variant: EmbedVariant): RowPieces {
  const { width, q8n } = variant;
  return { rows: variant, pieces: q8n ? width / Q8_BLOCK : Math.ceil(width / 4), workgroupSize: q8n ? 32 : 64 };
}

function partsOf({ type, vocab, pieces }: EmbedVariant): readonly LinearPartShape[] {
  return pieces === undefined ? [{ type, rows: vocab }] : pieces.map(({ rows }) => ({ type, rows }));
}

function embedBindings(variant: EmbedVariant): readonly Binding[] {
  const { width, q8n, base } = variant;
  return [
    ...partsOf(variant).flatMap((part, n) => partBindings(part, n, width)),
    { name: 'tokens', access: 'read', type: 'array<u32>' },
    ...(base ? [{ name: 'base', access: 'read' as const, type: 'array<vec4<f32>>' }] : []),
    ...(q8n?.alone ? [] : [{ name: 'y', access: 'write' as const, type: width % 4 === 0 ? 'array<vec4<f32>>' : 'array<f32>' }]),
    ...(q8n ? [...q8Bindings('y', 'write'), { name: 'yGain', access: 'read' as const, type: 'array<f32>' }] : []),
  ];
}

/** `fn tableQuad(token, quad)`: of the piece that holds the token. */
function tableQuadFunction(pieces: readonly TablePiece[]): string {
  const reads = pieces.map(({ firstRow, rows }, n) => {
    const read = `return quad${n}(token - ${firstRow}u, quad);`;
    return n + 1 < pieces.length ? `  if (token < ${firstRow + rows}u) { ${read} }` : `  ${read}`;
  });
  return `fn tableQuad(token: u32, quad: u32) -> vec4<f32> {\n${reads.join('\n')}\n}`;
}

/** `let token`, and an end to rows whose token is in no piece. */
function tokenText({ vocab, pieces }: EmbedVariant): string {
  const token = `  let token = min(tokens[row], ${vocab - 1}u);`;
  const [first, last] = [pieces?.[0], pieces?.at(-1)];
  if (first === undefined || last === undefined) return token;
  const outside = [
    ...(first.firstRow > 0 ? [`token < ${first.firstRow}u`] : []),
    ...(last.firstRow + last.rows < vocab ? [`token >= ${last.firstRow + last.rows}u`] : []),
  ];
  return outside.length === 0 ? token : `${token}\n  if (${outside.join(' || ')}) { return; }`;
}

function embedBody(variant: EmbedVariant): string {
  const { width, q8n, scale, base, pieces } = variant;
  const name = pieces ? 'tableQuad' : 'quad0';
  const added = (number: string) => (base === undefined ? '' : ` + base[row * ${base.of / 4}u + ${base.start / 4}u + ${number}]`);
  const quad = (number: string) => `${name}(token, ${number})${scale === undefined ? '' : ` * f32(${scale})`}${added(number)}`;
  const token = tokenText(variant);
  if (q8n) {
    const floats = `  let at = row * ${width / 4}u + quad;\n  for (var i = 0u; i < 4u; i++) { y[at + i] = x[i]; }\n`;
    return `${token}
  let quad = piece * 4u;
  let x = mat4x4<f32>(${['quad', 'quad + 1u', 'quad + 2u', 'quad + 3u'].map(quad).join(', ')});
${q8n.alone ? '' : floats}  yPutBlock(row, piece, x);`;
  }
  if (width % 4 === 0) return `${token}\n  y[row * ${width / 4}u + piece] = ${quad('piece')};`;
  return `${token}
  let x = ${quad('piece')};
  for (var i = 0u; i < 4u; i++) {
    if (piece * 4u + i < ${width}u) { y[row * ${width}u + piece * 4u + i] = x[i]; }
  }`;
}

export function embedKernel(variant: EmbedVariant): Kernel {
  const { type, vocab, width, q8n, base, pieces } = variant;
  const rounding = q8n ? [q8EpilogueFunctions({ name: 'y', width, norm: q8n })] : [];
  return rowPiecesKernel({
    key: kernelKey('embed', variant),
    label: `embed ${type} [${vocab}, ${width}]${base ? ' + base' : ''}${pieces ? ` in ${pieces.length}` : ''}${q8n ? ' q8n' : ''}`,
    pieces: piecesOf(variant), bindings: embedBindings(variant), body: embedBody(variant),
    functions: [
      ...partsOf(variant).map((part, n) => weightValueFunctions(part, n, width)),
      ...(pieces ? [tableQuadFunction(pieces)] : []),
      ...rounding,
    ],
  });
}

export function embedWorkgroups(variant: EmbedVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
