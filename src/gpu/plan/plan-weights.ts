/** The matrices and vectors that a plan reads, under keys that are equal where the contents are. */
import type { WeightRef } from '../../graph/value.ts';
import type { WeightType } from '../../tensor/tensor-type.ts';
import type { RowArrangement } from '../packed-layout.ts';
import type { GpuOp, GpuStep, LinearOp, LinearPart, NormWeight } from './gpu-op.ts';

type TypeOf = (weightId: string) => WeightType;

/** Rows of one type, packed into one buffer. */
export interface PlannedMatrix {
  readonly key: string;
  readonly type: WeightType;
  readonly rows: number;
  readonly cols: number;
  readonly arrangement: RowArrangement;
  /** In order; `interleaved` has two of equal size. */
  readonly weights: readonly WeightRef[];
}

/** f32 values one after another; zeros where a part has no weight. */
export interface PlannedVector {
  readonly key: string;
  readonly parts: readonly { readonly weight: WeightRef | undefined; readonly length: number }[];
}

export interface PlannedWeights {
  readonly matrices: ReadonlyMap<string, PlannedMatrix>;
  readonly vectors: ReadonlyMap<string, PlannedVector>;
}

function matrixOf(weights: readonly WeightRef[], arrangement: RowArrangement, typeOf: TypeOf): PlannedMatrix {
  const [first] = weights as readonly [WeightRef];
  const [, cols] = first.shape as [number, number];
  const rows = weights.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  const key = weights.map(({ id }) => id).join(arrangement === 'interleaved' ? '*' : '|');
  return { key, type: typeOf(first.id), rows, cols, arrangement, weights };
}

/** The matrices of a product, in the order of its rows: neighbours of one type share one. */
export function matricesOf({ parts, gated }: LinearOp, typeOf: TypeOf): readonly PlannedMatrix[] {
  if (gated) return [matrixOf(parts.map(({ weight }) => weight), 'interleaved', typeOf)];
  const runs: WeightRef[][] = [];
  for (const { weight } of parts) {
    const run = runs.at(-1);
    if (run !== undefined && typeOf((run[0] as WeightRef).id) === typeOf(weight.id)) run.push(weight);
    else runs.push([weight]);
  }
  return runs.map((run) => matrixOf(run, 'rows', typeOf));
}

function gainOf({ weight }: NormWeight): PlannedVector {
  return { key: weight.id, parts: [{ weight, length: weight.shape[0] as number }] };
}

/** The bias over all rows of a product; undefined where no part has one. Gated products have none. */
export function biasOf(parts: readonly LinearPart[]): PlannedVector | undefined {
  if (parts.every(({ bias }) => bias === undefined)) return undefined;
  return {
    key: parts.map(({ bias, weight }) => bias?.id ?? `0*${weight.shape[0]}`).join('|'),
    parts: parts.map(({ bias, weight }) => ({ weight: bias, length: weight.shape[0] as number })),
  };
}

function vectorsOf(op: GpuOp): readonly (PlannedVector | undefined)[] {
  switch (op.kind) {
    case 'linear':
      return [biasOf(op.parts), op.norm && gainOf(op.norm), op.rounding?.norm && gainOf(op.rounding.norm)];
    case 'embed':
      return [op.rounding?.norm && gainOf(op.rounding.norm)];
    case 'quantize':
      return [op.norm && gainOf(op.norm)];
    case 'norm':
      return [gainOf(op)];
    case 'attention':
      return [op.q.norm && gainOf(op.q.norm), op.k.norm && gainOf(op.k.norm)];
    default:
      return [];
  }
}

export function embeddingMatrix(weight: WeightRef, typeOf: TypeOf): PlannedMatrix {
  return matrixOf([weight], 'rows', typeOf);
}

export function weightsOfSteps(steps: readonly GpuStep[], typeOf: TypeOf): PlannedWeights {
  const matrices = new Map<string, PlannedMatrix>();
  const vectors = new Map<string, PlannedVector>();
  for (const { op } of steps) {
    const own = op.kind === 'linear' ? matricesOf(op, typeOf) : op.kind === 'embed' ? [embeddingMatrix(op.weight, typeOf)] : [];
    for (const matrix of own) matrices.set(matrix.key, matrix);
    for (const vector of vectorsOf(op)) if (vector !== undefined) vectors.set(vector.key, vector);
  }
  return { matrices, vectors };
}
