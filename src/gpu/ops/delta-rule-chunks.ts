/** The delta rule in chunks, for steps of many rows of a sequence: three kernels (kernels/delta-rule/chunk-records.ts). */
import type { Graph } from '../../graph/graph.ts';
import type { DeltaRuleOp as GraphDeltaRuleOp } from '../../graph/ops/delta-rule.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import { workgroupBytesOf } from '../kernel.ts';
import type { Kernel } from '../kernel.ts';
import { depthsOf, recordFloats } from '../kernels/delta-rule/chunk-records.ts';
import type { DeltaChunkShape } from '../kernels/delta-rule/chunk-records.ts';
import { deltaChunkKernel, deltaChunkWorkgroups } from '../kernels/delta-rule/delta-chunk.ts';
import { deltaFinishKernel, deltaFinishWorkgroups } from '../kernels/delta-rule/delta-finish.ts';
import type { DeltaRuleVariant } from '../kernels/delta-rule/delta-rule-variant.ts';
import { deltaStatePassKernel, deltaStatePassWorkgroups } from '../kernels/delta-rule/delta-state-pass.ts';
import type { DeltaStatePassVariant } from '../kernels/delta-rule/delta-state-pass.ts';
import { outerOf, rowsOfValue } from '../plan/gpu-value.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef, GridCounts, KernelUse, StepCounts } from '../plan/kernel-use.ts';
import { outputRefs, sizeOfValue } from '../plan/value-refs.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import type { DeltaRuleOp } from './delta-rule-op.ts';

function shapeOf({ keyHeads, valueHeads, keyDim, valueDim, keyHeadMap }: GraphDeltaRuleOp, { knobs }: DeviceProfile): DeltaChunkShape {
  return { keyHeads, valueHeads, keyDim, valueDim, keyHeadMap, chunk: knobs.deltaRule.chunk };
}

/** The variant of the largest depth whose kernel fits the memory of a workgroup. */
function deepest<Variant>(keyDim: number, profile: DeviceProfile, make: (depth: number) => { readonly kernel: Kernel; variant: Variant }) {
  return depthsOf(keyDim).map(make).find(({ kernel }) => workgroupBytesOf(kernel.wgsl) <= profile.workgroupBytes);
}

function passOf(shape: DeltaChunkShape, output: DeltaStatePassVariant['output'], profile: DeviceProfile) {
  const { lines: most, rowsPerInvocation } = profile.knobs.deltaRule;
  const suits = (lines: number) => {
    const invocations = (shape.chunk * lines) / (4 * rowsPerInvocation);
    return shape.valueDim % lines === 0 && invocations >= shape.chunk && invocations <= profile.invocations;
  };
  for (let lines = most; lines >= 4; lines -= 4) {
    if (!suits(lines)) continue;
    const found = deepest(shape.keyDim, profile, (depth) => {
      const variant: DeltaStatePassVariant = { ...shape, lines, rowsPerInvocation, depth, output };
      return { variant, kernel: deltaStatePassKernel(variant) };
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first two kernels; undefined where heads are no whole vectors, or too large for the device. */
function kernelsOf(
  op: GraphDeltaRuleOp, gates: DeltaRuleVariant['gates'], profile: DeviceProfile, output: DeltaStatePassVariant['output'],
) {
  const shape = shapeOf(op, profile);
  if (op.keyDim % 4 !== 0 || op.valueDim % 4 !== 0) return undefined;
  const chunk = deepest(op.keyDim, profile, (depth) => {
    const variant = { ...shape, gates, depth };
    return { variant, kernel: deltaChunkKernel(variant) };
  });
  const pass = passOf(shape, output, profile);
  return chunk && pass && { shape, chunk, pass };
}

/** Bytes of `partials` for steps of up to `rows` rows. */
export function deltaRecordsBytes({ nodes }: Graph, { profile, rows }: { readonly profile: DeviceProfile; readonly rows: number }): number {
  return Math.max(0, ...nodes.map(({ op }) => {
    const found = op.kind === 'deltaRule' ? kernelsOf(op, undefined, profile, 'records') : undefined;
    return found === undefined ? 0 : rows * found.shape.valueHeads * recordFloats(found.shape) * 4;
  }));
}

const FINISH_INVOCATIONS = 128;

/** Undefined where {@link kernelsOf} is. `buffers`: of the rule row by row. */
export function chunkUses(
  step: GpuStepOf<DeltaRuleOp>, buffers: Readonly<Record<string, BufferRef>>, profile: DeviceProfile,
): readonly KernelUse[] | undefined {
  const { op, inputs, outputs } = step;
  const { keyDim, valueDim, valueHeads, norm, gates, state } = op;
  const [qkv, first, second] = inputs as readonly [GpuValue, GpuValue, GpuValue | undefined];
  const [y] = outputs as readonly [GpuValue];
  const finishes = norm !== undefined || y.dtype !== 'f32';
  const found = kernelsOf(op, gates, profile, finishes ? 'records' : 'f32');
  if (found === undefined) return undefined;
  const { shape, chunk, pass } = found;
  const all = {
    ...buffers, ...outputRefs(outputs), records: { kind: 'partials' }, step: { kind: 'size', dim: outerOf(y) },
  } as const satisfies Record<string, BufferRef>;
  const rowsOf = ({ sizes }: GridCounts) => rowsOfValue(y, sizes);
  // Bytes and multiply-adds of a row, and bytes of values of the step.
  const use = ({ kernel, workgroups, floats, work, values, weights = 0 }: UseParts): KernelUse => ({
    kernel, buffers: all,
    workgroups: (counts) => workgroups(rowsOf(counts)),
    cost: (counts: StepCounts) => ({
      bytes: values.reduce((sum, value) => sum + sizeOfValue(value, counts), weights) + rowsOf(counts) * valueHeads * floats * 4,
      multiplyAdds: rowsOf(counts) * valueHeads * work,
    }),
  });
  const gateValues = second === undefined ? [first] : [first, second];
  const uses = [
    use({
      ...chunk, workgroups: (rows) => deltaChunkWorkgroups(shape, rows), values: [qkv, ...(gates === undefined ? gateValues : [])],
      floats: recordFloats(shape), work: shape.chunk * (2 * keyDim + (keyDim + valueDim) / 2),
    }),
    use({
      ...pass, workgroups: (rows) => deltaStatePassWorkgroups(pass.variant, rows), values: finishes ? [qkv] : [qkv, y],
      floats: recordFloats(shape) + (finishes ? valueDim : 0), work: valueDim * (3 * keyDim + shape.chunk),
      weights: 2 * elementsOf(state.shape) * 4,
    }),
  ];
  if (!finishes) return uses;
  const finish = {
    valueHeads, valueDim, keyDim, chunk: shape.chunk, gates, norm: norm && { eps: norm.eps },
    output: y.dtype === 'f32' ? 'f32' : 'q8', invocations: FINISH_INVOCATIONS,
  } as const;
  return [...uses, use({
    kernel: deltaFinishKernel(finish), workgroups: (rows) => deltaFinishWorkgroups(finish, rows), values: [...gateValues, y],
    floats: valueDim, work: 2 * valueDim,
  })];
}

interface UseParts {
  readonly kernel: Kernel;
  readonly workgroups: (rows: number) => ReturnType<KernelUse['workgroups']>;
  readonly values: readonly GpuValue[];
  /** Of a row and head: floats of records, multiply-adds. */
  readonly floats: number;
  readonly work: number;
  /** Bytes that do not depend on rows. */
  readonly weights?: number;
}
