/** Rows of a packed table: y[r] = scale * table[tokens[r]], and what the first norm's product reads. */
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

/**
 * Bindings `p0_*`: the planes of the table [vocab, width]; `tokens`: u32 [rows]; `y`: f32 [rows, width]; with `q8n` also `yCodes`,
 * `yStats` and `yGain`: f32 [width], and the width is a multiple of 32. A token past the vocabulary reads the last row.
 */
export interface EmbedVariant extends RowsVariant {
  readonly type: WeightType;
  readonly vocab: number;
  readonly width: number;
  /** Factor of every value; absent: 1. */
  readonly scale?: number | undefined;
  /** The RMS norm that follows, whose q8n input is written too. */
  readonly q8n: { readonly eps: number } | undefined;
}

/** Small workgroups: one row of a decode step still spreads over several cores. */
function piecesOf(variant: EmbedVariant): RowPieces {
  const { width, q8n } = variant;
  return { rows: variant, pieces: q8n ? width / Q8_BLOCK : Math.ceil(width / 4), workgroupSize: q8n ? 32 : 64 };
}

function embedBindings(variant: EmbedVariant, part: LinearPartShape): readonly Binding[] {
  const { width, q8n } = variant;
  return [
    ...partBindings(part, 0, width),
    { name: 'tokens', access: 'read', type: 'array<u32>' },
    { name: 'y', access: 'write', type: width % 4 === 0 ? 'array<vec4<f32>>' : 'array<f32>' },
    ...(q8n ? [...q8Bindings('y', 'write'), { name: 'yGain', access: 'read' as const, type: 'array<f32>' }] : []),
  ];
}

function embedBody({ vocab, width, q8n, scale }: EmbedVariant): string {
  const quad = (number: string) => `quad0(token, ${number})${scale === undefined ? '' : ` * f32(${scale})`}`;
  const token = `  let token = min(tokens[row], ${vocab - 1}u);`;
  if (q8n) {
    return `${token}
  let quad = piece * 4u;
  let x = mat4x4<f32>(${['quad', 'quad + 1u', 'quad + 2u', 'quad + 3u'].map(quad).join(', ')});
  let at = row * ${width / 4}u + quad;
  for (var i = 0u; i < 4u; i++) { y[at + i] = x[i]; }
  yPutBlock(row, piece, x);`;
  }
  if (width % 4 === 0) return `${token}\n  y[row * ${width / 4}u + piece] = ${quad('piece')};`;
  return `${token}
  let x = ${quad('piece')};
  for (var i = 0u; i < 4u; i++) {
    if (piece * 4u + i < ${width}u) { y[row * ${width}u + piece * 4u + i] = x[i]; }
  }`;
}

export function embedKernel(variant: EmbedVariant): Kernel {
  const { type, vocab, width, q8n } = variant;
  const part: LinearPartShape = { type, rows: vocab };
  const rounding = q8n ? [q8EpilogueFunctions({ name: 'y', width, norm: q8n })] : [];
  return rowPiecesKernel({
    key: kernelKey('embed', variant), label: `embed ${type} [${vocab}, ${width}]${q8n ? ' q8n' : ''}`,
    pieces: piecesOf(variant), bindings: embedBindings(variant, part), body: embedBody(variant),
    functions: [weightValueFunctions(part, 0, width), ...rounding],
  });
}

export function embedWorkgroups(variant: EmbedVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
