/** The gated delta rule, alone or with the norm of each head and its gate: row by row, or many rows in chunks. */
import type { DeltaRuleOp as GraphDeltaRuleOp } from '../../graph/ops/delta-rule.ts';
import { stateName } from '../../graph/state.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import { deltaRuleKernel, deltaRuleWorkgroups } from '../kernels/delta-rule/delta-rule.ts';
import type { DeltaRuleVariant } from '../kernels/delta-rule/delta-rule-variant.ts';
import { describeNorm } from '../plan/gpu-op-rules.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { PlannedVector } from '../plan/planned-weights.ts';
import { gainOf } from '../plan/planned-weights.ts';
import { hasTiles } from '../plan/kernel-use.ts';
import type { BufferRef } from '../plan/kernel-use.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { chunkUses } from './delta-rule-chunks.ts';
import type { DeltaRuleOp } from './delta-rule-op.ts';
import { roundingCut } from './quantize.ts';
import { rowUse } from './row-use.ts';

/** Of a workgroup, which holds the state of a head: most of it in its registers. */
const INVOCATIONS = 256;

/** Decays, biases and the norm's gain, one after another. */
function ratesOf({ decay, dtBias, norm }: DeltaRuleOp): PlannedVector {
  const vectors = [{ weight: decay }, { weight: dtBias }, ...(norm === undefined ? [] : [norm])].map(gainOf);
  return { key: vectors.map(({ key }) => key).join('|'), parts: vectors.flatMap(({ parts }) => parts) };
}

export const deltaRuleRules: GpuOpRules<DeltaRuleOp> = {
  // Many rows, of which a sequence has several, go in chunks.
  form: 'both',
  describe: ({ valueHeads, valueDim, keyDim, keyHeadMap, state, norm, gates }) =>
    `${valueHeads} x [${valueDim}, ${keyDim}] ${keyHeadMap} state=${stateName(state)}${gates ? ' gates' : ''}${describeNorm('norm', norm)}`,
  vectors: (op) => [ratesOf(op)],
  rounded: (op, rounding) => (rounding.norm === undefined && op.gates !== undefined && op.valueDim % 32 === 0 ? op : undefined),
  cuts: (step, { fresh }) => roundingCut(step, { op: step.op, norm: undefined, fresh }),
  uses(step, { rows, attention }, { profile }) {
    const { op, inputs, outputs } = step;
    const { keyHeads, valueHeads, keyDim, valueDim, keyHeadMap, gates, norm, state } = op;
    const [qkv, first, second] = inputs as readonly [GpuValue, GpuValue, GpuValue | undefined];
    const variant: DeltaRuleVariant = {
      keyHeads, valueHeads, keyDim, valueDim, keyHeadMap, gates, norm: norm && { eps: norm.eps },
      output: outputs[0]?.dtype === 'f32' ? 'f32' : 'q8',
      subgroupSize: profile.subgroupSize, invocations: Math.min(INVOCATIONS, profile.invocations),
    };
    const buffers: Readonly<Record<string, BufferRef>> = {
      qkv: floatsRef(qkv),
      ...(second === undefined ? { gates: floatsRef(first) } : { a: floatsRef(first), b: floatsRef(second) }),
      rates: vectorRef(ratesOf(op).key),
      state: { kind: 'state', state: state.index },
      rowSequence: { kind: 'sequences', name: 'rowSequence' },
      slots: { kind: 'sequences', name: 'slots' },
    };
    const chunks = rows === 'many' && hasTiles(attention) ? chunkUses(step, buffers, profile) : undefined;
    return chunks ?? rowUse(step, {
      kernel: deltaRuleKernel(variant),
      buffers,
      workgroups: (count) => deltaRuleWorkgroups(variant, count),
      weightBytes: () => 2 * elementsOf(state.shape) * 4,
      work: 4 * keyDim,
    });
  },
};

export const lowerDeltaRule: Lower<GraphDeltaRuleOp, DeltaRuleOp> = ({ op }) => ({ op: { ...op, gates: undefined, norm: undefined } });
