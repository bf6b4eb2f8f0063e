/** What a step of attention does beside attention, as steps of their own, for devices on which its kernels bind too much. */
import type { RopeOp } from '../../graph/ops/rope.ts';
import type { Cut, CutContext } from '../plan/gpu-op-rules.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { AttentionOp, HeadPreparation } from './attention-op.ts';
import { separatedHeads } from './linear-cuts.ts';
import type { LinearOp } from './linear-op.ts';
import { roundingCut } from './quantize.ts';
import type { NormOp } from './rms-norm.ts';

/** Rounding, norms, rotation as steps of their own; a joined product of q, k and v as three. */
export function attentionCuts(step: GpuStepOf<AttentionOp>, { producerOf, fresh }: CutContext): readonly Cut[] {
  const { op } = step;
  const rounding = roundingCut(step, { op, norm: undefined, fresh });
  if (rounding.length > 0) return rounding;
  if (op.joined) {
    const product = producerOf(step.inputs[0] as GpuValue);
    return product === undefined ? [] : [separatedHeads(product as GpuStepOf<LinearOp>, step, fresh)];
  }
  const { q, k, vNorm } = op;
  const prepared = (kind: 'norm' | 'table') => preparationCut(step, kind, fresh);
  const isNormed = q.norm !== undefined || k.norm !== undefined || vNorm !== undefined;
  return [...(isNormed ? [prepared('norm')] : []), ...(isNormed || !(q.table || k.table) ? [] : [prepared('table')])];
}

/** Norms of the heads of q, k and v, or the rotation of q and k where there are none, as steps before attention. */
function preparationCut(step: GpuStepOf<AttentionOp>, kind: keyof HeadPreparation, fresh: CutContext['fresh']): Cut {
  const { op, label } = step;
  const inputs = [...step.inputs];
  const before: GpuStepOf<NormOp | RopeOp>[] = [];
  const v: HeadPreparation = { norm: op.vNorm, table: undefined };
  for (const [i, name] of (['q', 'k', 'v'] as const).slice(0, op.stored ? 1 : 3).entries()) {
    const { norm, table } = name === 'v' ? v : op[name];
    const heads = name === 'q' ? op.heads : op.state.heads;
    const [x, positions] = [inputs[i], inputs.at(-1)] as [GpuValue, GpuValue];
    const made = fresh(x.shape, `${label}.${name}.${kind === 'norm' ? 'normed' : 'turned'}`);
    if (kind === 'norm' && norm) {
      const normOp: NormOp = { kind: 'norm', ...norm, groups: heads, gather: false };
      before.push({ op: normOp, inputs: [x], outputs: [made], label: made.label });
    } else if (kind === 'table' && table) {
      const turn: RopeOp = { kind: 'rope', heads, headDim: op.state.keyDim, table };
      const shift = op.shifted ? [inputs.at(-2) as GpuValue] : [];
      before.push({ op: turn, inputs: [x, positions, ...shift], outputs: [made], label: made.label });
    } else continue;
    inputs[i] = made;
  }
  if (kind === 'table' && op.shifted) inputs.splice(-2, 1);
  const without = {
    ...(kind === 'table' && { shifted: undefined }), q: { ...op.q, [kind]: undefined }, k: { ...op.k, [kind]: undefined },
    ...(kind === 'norm' && { vNorm: undefined }),
  };
  return { replaced: [step], by: [...before, { ...step, op: { ...op, ...without }, inputs }] };
}
