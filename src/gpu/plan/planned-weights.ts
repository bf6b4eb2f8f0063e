/** The matrices and vectors that a plan reads, under keys that are equal where the contents are. */
import type { WeightRef } from '../../graph/value.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import type { WeightType } from '../../tensor/tensor-type.ts';
import { layOutMatrix, packedFormatOf } from '../packed-layout.ts';
import type { RowArrangement } from '../packed-layout.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import type { VectorArrangement } from '../weights/weight-request.ts';

/** Rows of one type, packed into one buffer. */
export interface PlannedMatrix {
  readonly key: string;
  readonly type: WeightType;
  readonly rows: number;
  readonly cols: number;
  readonly arrangement: RowArrangement;
  /** In order; `interleaved` has pairs of equal size. */
  readonly weights: readonly WeightRef[];
  /** First row of those that are meant of its only weight, or of each of two that are interleaved; absent: all rows are. */
  readonly firstRow?: number | undefined;
}

/** f32 values one after another, or, of gate and up, 16 of each in turn; where a part has no weight `fill` throughout, or zeros. */
export interface PlannedVector {
  readonly key: string;
  readonly parts: readonly { readonly weight: WeightRef | undefined; readonly length: number; readonly fill?: number | undefined }[];
  readonly arrangement?: VectorArrangement | undefined;
}

export interface PlannedWeights {
  readonly matrices: ReadonlyMap<string, PlannedMatrix>;
  readonly vectors: ReadonlyMap<string, PlannedVector>;
}

/** Weights of one type, one after another or interleaved, as one matrix. */
export function matrixOf(
  weights: readonly WeightRef[],
  arrangement: RowArrangement,
  typeOf: (weightId: string) => WeightType,
): PlannedMatrix {
  const [first] = weights as readonly [WeightRef];
  const cols = first.shape.at(-1) as number;
  const rows = weights.reduce((sum, { shape }) => sum + elementsOf(shape) / cols, 0);
  const key = weights.map(({ id }) => id).join(arrangement === 'interleaved' ? '*' : '|');
  return { key, type: typeOf(first.id), rows, cols, arrangement, weights };
}

export interface MatrixChoices {
  readonly typeOf: (weightId: string) => WeightType;
  readonly profile: Pick<DeviceProfile, 'maxBufferBindingBytes' | 'storageBuffers'>;
}

/** Rows of a cut matrix come in multiples of this. */
const CUT_ROWS = 64;

/** Weights of one type, one after another; one that is larger than a binding as several matrices of some of its rows each. */
export function matricesFor(weights: readonly WeightRef[], { typeOf, profile }: MatrixChoices): readonly PlannedMatrix[] {
  const whole = matrixOf(weights, 'rows', typeOf);
  const { key, type, rows: all, cols } = whole;
  const { sizeBytes } = layOutMatrix(packedFormatOf(type), all, cols);
  const most = profile.maxBufferBindingBytes;
  if (sizeBytes <= most || weights.length > 1) return [whole];
  const each = Math.max(1, Math.floor((most * all) / sizeBytes / CUT_ROWS)) * CUT_ROWS;
  return Array.from({ length: Math.ceil(all / each) }, (_, i) => {
    const rows = Math.min(each, all - i * each);
    return { ...whole, key: `${key}[${i * each}..${i * each + rows}]`, rows, firstRow: i * each };
  });
}

/** Pieces of a matrix, of so many planes each, by the dispatches that read them: as many as a kernel has `buffers` for, at least one. */
export function boundTogether(matrices: readonly PlannedMatrix[], planes: number, buffers: number): readonly (readonly PlannedMatrix[])[] {
  const each = Math.max(1, Math.floor(buffers / planes));
  return Array.from({ length: Math.ceil(matrices.length / each) }, (_, n) => matrices.slice(n * each, (n + 1) * each));
}

/** Weights [experts, out, in] of one type, and [out, in] of an expert that all rows go to, which comes last. */
export interface ExpertWeights {
  readonly routed: readonly WeightRef[];
  /** As many, or none. */
  readonly shared: readonly WeightRef[];
}

/** Each expert's rows together; several matrices of whole experts where one is larger than a binding. */
export function expertMatrices(
  { routed, shared }: ExpertWeights, arrangement: RowArrangement, choices: MatrixChoices,
): readonly PlannedMatrix[] {
  const { typeOf, profile } = choices;
  const whole = matrixOf([...routed, ...shared], arrangement, typeOf);
  const { sizeBytes } = layOutMatrix(packedFormatOf(whole.type), whole.rows, whole.cols);
  if (sizeBytes <= profile.maxBufferBindingBytes) return [whole];
  const pieces = expertPieces(matrixOf(routed, arrangement, typeOf), choices);
  return shared.length === 0 ? pieces : [...pieces, matrixOf(shared, arrangement, typeOf)];
}

function expertPieces(whole: PlannedMatrix, { profile: { maxBufferBindingBytes: most } }: MatrixChoices): readonly PlannedMatrix[] {
  const { weights } = whole;
  const [experts] = (weights[0] as WeightRef).shape as [number];
  const { sizeBytes } = layOutMatrix(packedFormatOf(whole.type), whole.rows, whole.cols);
  const each = Math.max(1, Math.floor((most * experts) / sizeBytes));
  const rows = whole.rows / experts;
  return Array.from({ length: Math.ceil(experts / each) }, (_, i) => {
    const count = Math.min(each, experts - i * each);
    const firstRow = (i * each * rows) / weights.length;
    return { ...whole, key: `${whole.key}[${i * each}..${i * each + count}]`, rows: count * rows, firstRow };
  });
}

/** The gain of a norm that has none: ones. */
export interface Ones {
  readonly id: string;
  readonly shape: readonly [number];
  readonly fill: 1;
}

/** What a norm multiplies with. */
export type Gain = WeightRef | Ones;

export function onesOf(width: number): Ones {
  return { id: `1*${width}`, shape: [width], fill: 1 };
}

/** A norm's gain as a vector of its own. */
export function gainOf({ weight }: { readonly weight: Gain }): PlannedVector {
  const length = weight.shape[0] as number;
  return { key: weight.id, parts: ['fill' in weight ? { weight: undefined, length, fill: weight.fill } : { weight, length }] };
}
