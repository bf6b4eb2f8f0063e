/** Half a layer of a small transformer in one step (kernels/block). */
import type { ActivationName } from '../../graph/ops/activation.ts';
import type { KvLayout } from '../../graph/executor.ts';
import type { PagedState } from '../../graph/state.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import type { WeightRef } from '../../graph/value.ts';
import { widthOf } from '../../graph/value.ts';
import { attentionSizes, hasCodes } from '../attention-shape.ts';
import { blockKernel, blockWorkgroups } from '../kernels/block/block.ts';
import { geometryOf, ROWS_EACH } from '../kernels/block/block-variant.ts';
import type { BlockMiddle, BlockVariant } from '../kernels/block/block-variant.ts';
import { INTERLEAVE_ROWS, layOutMatrix, packedFormatOf, planesOf } from '../packed-layout.ts';
import { describeNorm } from '../plan/gpu-op-rules.ts';
import type { GpuOpRules, NormWeight, UseOptions } from '../plan/gpu-op-rules.ts';
import { rowsOfValue } from '../plan/gpu-value.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef, GridCounts, StepCounts } from '../plan/kernel-use.ts';
import { gainOf, matrixOf } from '../plan/planned-weights.ts';
import type { MatrixChoices, PlannedMatrix, PlannedVector } from '../plan/planned-weights.ts';
import { floatsRef, sizeOfValue, vectorRef } from '../plan/value-refs.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import { attentionShapeOf, placeRefs } from './attention-refs.ts';
import type { AttentionOp } from './attention-op.ts';

/**
 * Inputs: vectors whose sum is x [rows, n * width], and positions where there is attention. Output: vectors whose sum is x and the block's
 * result [rows, workgroups * width], or the product of a block that has one alone.
 */
export interface BlockOp {
  readonly kind: 'block';
  readonly norm: NormWeight;
  /** q, k and v, gate and up, or one matrix. */
  readonly first: readonly WeightRef[];
  readonly middle:
    | { readonly kind: 'attention'; readonly attention: AttentionOp }
    | { readonly kind: 'gated'; readonly fn: ActivationName }
    | { readonly kind: 'none' };
  readonly second: WeightRef | undefined;
  readonly activations: BlockVariant['activations'];
  /** Of attention. */
  readonly state: PagedState | undefined;
}

type BlockStep = GpuStepOf<BlockOp>;

/** What it takes to find how a block is cut. */
export interface BlockOptions {
  readonly profile: DeviceProfile;
  readonly kv: KvLayout;
}

/** Rows of a head, of a workgroup: each makes x for itself, so few of them, and yet so many that several read at a time. */
const HEAD_ROWS = 128;

/** Of one vector between the products and a whole number of groups. */
function unitOf({ activations }: Pick<BlockOp, 'activations'>): number {
  return activations === 'int8' ? 32 : 4;
}

/** The largest part of a block for a workgroup that has at most as many weights as the profile says, or the smallest there is. */
function largest(sizes: readonly number[], weightsOf: (size: number) => number, most: number): number | undefined {
  return sizes.filter((size) => weightsOf(size) <= most).at(-1) ?? sizes[0];
}

const upTo = (count: number, step = 1) => Array.from({ length: Math.floor(count / step) }, (_, i) => (i + 1) * step);

/** Undefined where no cut fits the heads, or the hidden values. */
function middleOf({ op, width, options }: { readonly op: BlockOp; readonly width: number; readonly options: BlockOptions }) {
  const { middle, first } = op;
  const most = options.profile.knobs.blocks.weights;
  if (middle.kind === 'none') {
    const rows = Math.min(HEAD_ROWS, 2 ** Math.floor(Math.log2(most / width)));
    return { kind: 'none', rows: Math.max(ROWS_EACH, rows) } as const;
  }
  if (middle.kind === 'gated') {
    const hidden = first[0]!.shape[0] as number;
    const step = Math.max(INTERLEAVE_ROWS, unitOf(op));
    const sizes = upTo(hidden, step).filter((size) => hidden % size === 0);
    const values = largest(sizes, (size) => 3 * size * width, most);
    return values === undefined ? undefined : { kind: 'gated', fn: middle.fn, values } as const;
  }
  const shape = attentionShapeOf(middle.attention, 'f32', options);
  const { group, key, value } = attentionSizes(shape);
  const keys = middle.attention.state.positions;
  const isWhole = key.paddedQuads === key.quads && value.paddedQuads === value.quads;
  if (keys === undefined || !isWhole || hasCodes(shape)) return undefined;
  const { keyDim, valueDim } = shape;
  const sizes = upTo(group).filter((heads) => group % heads === 0 && (heads * valueDim) % unitOf(op) === 0);
  const queryHeads = largest(sizes, (heads) => ((heads + 1) * keyDim + valueDim + heads * valueDim) * width, most);
  return queryHeads === undefined ? undefined : { kind: 'attention', shape, queryHeads, keys } as const;
}

/** Invocations for the rows of the first product and the values of x, a power of two. */
function invocationsFor({ rows, width, most }: { readonly rows: number; readonly width: number; readonly most: number }): number {
  const wanted = Math.max(64, (rows / ROWS_EACH) * (width / 32), width);
  return 2 ** Math.floor(Math.log2(Math.min(1024, most, 2 ** Math.ceil(Math.log2(wanted)))));
}

function rowsOf(middle: BlockMiddle): number {
  if (middle.kind === 'none') return middle.rows;
  return middle.kind === 'gated' ? 2 * middle.values : (middle.queryHeads + 1) * middle.shape.keyDim + middle.shape.valueDim;
}

/** The kernel of a block over `parts` vectors; undefined where it has no form. */
export function blockVariantOf(
  op: BlockOp, parts: number, options: BlockOptions & Pick<MatrixChoices, 'typeOf'>,
): BlockVariant | undefined {
  const { typeOf, profile } = options;
  const width = op.first[0]!.shape[1] as number;
  const middle = middleOf({ op, width, options });
  if (middle === undefined) return undefined;
  const rows = op.first.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  return {
    width, parts, norm: { eps: op.norm.eps }, activations: op.activations, middle,
    first: { type: typeOf(op.first[0]!.id), rows },
    second: op.second && { type: typeOf(op.second.id), rows: width },
    invocations: invocationsFor({ rows: rowsOf(middle), width, most: profile.invocations }),
  };
}

/** Vectors that a block leaves. */
export function vectorsOf(variant: BlockVariant): number {
  return geometryOf(variant).workgroups;
}

function matricesOf({ first, middle, second }: BlockOp, { typeOf }: Pick<MatrixChoices, 'typeOf'>): readonly PlannedMatrix[] {
  const arrangement = middle.kind === 'gated' ? 'interleaved' : 'rows';
  return [matrixOf(first, arrangement, typeOf), ...(second ? [matrixOf([second], 'rows', typeOf)] : [])];
}

/** Gains of the norm, of q's heads and of k's, one behind the other. */
function gainsOf({ norm, middle }: BlockOp): PlannedVector {
  const heads = middle.kind === 'attention' ? [middle.attention.q.norm, middle.attention.k.norm] : [];
  const all = [norm, ...heads.filter((each) => each !== undefined)].map(gainOf);
  return { key: all.map(({ key }) => key).join('|'), parts: all.flatMap(({ parts }) => parts) };
}

function variantOf({ op, inputs: [x] }: BlockStep, options: UseOptions): BlockVariant {
  const width = op.first[0]!.shape[1] as number;
  const variant = blockVariantOf(op, widthOf(x as GpuValue) / width, options);
  if (variant === undefined) throw new Error('gpu plan: a block without a kernel');
  return variant;
}

function buffersOf(step: BlockStep, options: UseOptions): Record<string, BufferRef> {
  const { op, inputs, outputs } = step;
  const buffers: Record<string, BufferRef> = {
    parts: floatsRef(inputs[0] as GpuValue), gains: vectorRef(gainsOf(op).key), y: floatsRef(outputs[0] as GpuValue),
    ...(op.middle.kind === 'attention' ? placeRefs(op.middle.attention, inputs[1] as GpuValue) : {}),
  };
  matricesOf(op, options).forEach(({ key, type, cols }, n) => {
    for (const { name } of planesOf(packedFormatOf(type), cols)) buffers[`p${n}_${name}`] = { kind: 'plane', matrix: key, plane: name };
  });
  return buffers;
}

export const blockRules: GpuOpRules<BlockOp> = {
  describe({ first, second, norm, middle }, typeOf) {
    const weights = [...first, ...(second ? [second] : [])].map((weight) => shownWeight(weight, typeOf)).join(' ');
    return `${middle.kind} ${weights}${describeNorm('norm', norm)}`;
  },
  matrices: matricesOf,
  vectors: (op) => [gainsOf(op)],
  uses(step, _, options) {
    const variant = variantOf(step, options);
    const matrices = matricesOf(step.op, options);
    const weightBytes = matrices.reduce((sum, { type, rows, cols }) => sum + layOutMatrix(packedFormatOf(type), rows, cols).sizeBytes, 0);
    const products = matrices.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
    const rowsIn = ({ sizes }: GridCounts) => rowsOfValue(step.outputs[0] as GpuValue, sizes);
    const cost = (counts: StepCounts) => ({
      bytes: weightBytes + [...step.inputs, ...step.outputs].reduce((sum, value) => sum + sizeOfValue(value, counts), 0),
      multiplyAdds: products * rowsIn(counts),
    });
    const workgroups = (counts: GridCounts) => blockWorkgroups(variant, rowsIn(counts));
    return [{ kernel: blockKernel(variant), buffers: buffersOf(step, options), workgroups, cost }];
  },
};
