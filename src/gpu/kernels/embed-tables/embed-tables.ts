/** Sums of rows of several tables that lie one behind the other: y[r] = scale * (table 0[tokens 0[r]] + table 1[tokens 1[r]] + ...). */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { partBindings } from '../../linear-shape.ts';
import type { WeightType } from '../../../tensor/tensor-type.ts';
import { range } from '../../wgsl/expressions.ts';
import { rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';
import { weightValueFunctions } from '../../wgsl/weight-values.ts';

/**
 * Bindings `p0_*`: the planes of all tables [tables * vocab, width]; `tokens{n}`: u32 [rows]; `y`: f32 [rows, width]. A token past the
 * vocabulary reads the last row of its table.
 */
export interface EmbedTablesVariant extends RowsVariant {
  readonly type: WeightType;
  readonly tables: number;
  /** Rows of a table. */
  readonly vocab: number;
  /** A multiple of 4. */
  readonly width: number;
  /** Factor of every value; absent: 1. */
  readonly scale?: number | undefined;
}

function piecesOf(variant: EmbedTablesVariant): RowPieces {
  return { rows: variant, pieces: variant.width / 4, workgroupSize: 64 };
}

export function embedTablesKernel(variant: EmbedTablesVariant): Kernel {
  const { type, tables, vocab, width, scale } = variant;
  const part = { type, rows: tables * vocab };
  const tokens = range(tables).map((n): Binding => ({ name: `tokens${n}`, access: 'read', type: 'array<u32>' }));
  const rows = range(tables).map((n) => `quad0(min(tokens${n}[row], ${vocab - 1}u)${n === 0 ? '' : ` + ${n * vocab}u`}, piece)`);
  const sum = rows.map((own) => `  sum += ${own};`).join('\n');
  return rowPiecesKernel({
    key: kernelKey('embed-tables', variant), label: `embed ${type} ${tables} of [${vocab}, ${width}]`, pieces: piecesOf(variant),
    bindings: [...partBindings(part, 0, width), ...tokens, { name: 'y', access: 'write', type: 'array<vec4<f32>>' }],
    functions: [weightValueFunctions(part, 0, width)],
    body: `  var sum = vec4<f32>();
${sum}
  y[row * ${width / 4}u + piece] = sum${scale === undefined ? '' : ` * f32(${scale})`};`,
  });
}

export function embedTablesWorkgroups(variant: EmbedTablesVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
