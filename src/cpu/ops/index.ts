/** The ops of a CPU plan, what the threads know how to run, fused or not; and how each op of a graph becomes one. One line an op. */
import type { GraphOp, OpOf } from '../../graph/ops/index.ts';
import type { ActivationOp } from '../../graph/ops/activation.ts';
import type { AddOp } from '../../graph/ops/add.ts';
import type { ColumnsOp } from '../../graph/ops/columns.ts';
import type { ExpertLinearOp } from '../../graph/ops/expert-linear.ts';
import type { ExpertSumOp } from '../../graph/ops/expert-sum.ts';
import type { RouteOp } from '../../graph/ops/route.ts';
import type { ScaleRowsOp } from '../../graph/ops/scale-rows.ts';
import type { ScaleOp } from '../../graph/ops/scale.ts';
import type { SoftcapOp } from '../../graph/ops/softcap.ts';
import type { MemoryWeightsOp } from '../../graph/ops/memory-weights.ts';
import type { StoredAttentionOp } from '../../graph/ops/stored-attention.ts';
import type { EmbedOp } from '../../graph/ops/embed.ts';
import type { FullAttentionOp } from '../../graph/ops/full-attention.ts';
import type { WriteMemoryOp } from '../../graph/ops/write-memory.ts';
import type { ChannelConvolutionOp } from '../../graph/ops/channel-convolution.ts';
import type { ChooseOp } from '../../graph/ops/choose.ts';
import type { GroupNormOp } from '../../graph/ops/group-norm.ts';
import type { JoinColumnsOp } from '../../graph/ops/join-columns.ts';
import type { LstmOp } from '../../graph/ops/lstm.ts';
import type { OverlapAddOp } from '../../graph/ops/overlap-add.ts';
import type { RelativeAttentionOp } from '../../graph/ops/relative-attention.ts';
import type { PlaneConvolutionOp } from '../../graph/ops/plane-convolution.ts';
import type { SnakeOp } from '../../graph/ops/snake.ts';
import type { WindowsOp } from '../../graph/ops/windows.ts';
import type { TypeOf } from '../../graph/weight-lookup.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuStepOf } from '../cpu-value.ts';
import { activationRules, lowerActivation } from './activation.ts';
import { addRules, lowerAdd } from './add.ts';
import { attentionRules, lowerAttention } from './attention.ts';
import type { AttentionStepOp } from './attention.ts';
import { channelConvolutionRules, lowerChannelConvolution } from './channel-convolution.ts';
import { chooseRules, lowerChoose } from './choose.ts';
import { columnsRules, lowerColumns } from './columns.ts';
import { deltaRuleRules, lowerDeltaRule } from './delta-rule.ts';
import type { DeltaRuleOp } from './delta-rule.ts';
import { memoryWeightsRules, lowerMemoryWeights } from './memory-weights.ts';
import { storedAttentionRules, lowerStoredAttention } from './stored-attention.ts';
import { embedRules, lowerEmbed } from './embed.ts';
import { expertLinearRules, gatedExpertsRules, lowerExpertLinear, mixedExpertsRules } from './expert-linear.ts';
import type { GatedExpertsStepOp, MixedExpertsStepOp } from './expert-linear.ts';
import { expertSumRules, lowerExpertSum } from './expert-sum.ts';
import { fullAttentionRules, lowerFullAttention } from './full-attention.ts';
import { gatherRules, lowerGatherRows } from './gather-rows.ts';
import type { GatherStepOp } from './gather-rows.ts';
import { groupNormRules, lowerGroupNorm } from './group-norm.ts';
import { gatedRules, linearsRules, lowerLinear } from './linear.ts';
import type { GatedStepOp, LinearsStepOp } from './linear.ts';
import { joinColumnsRules, lowerJoinColumns } from './join-columns.ts';
import { lowerLstm, lstmRules } from './lstm.ts';
import { quantizeRules } from './quantize.ts';
import type { QuantizeStepOp } from './quantize.ts';
import { lowerLayerNorm, lowerRmsNorm, normRules } from './norm.ts';
import type { NormStepOp } from './norm.ts';
import { lowerRope, rotateRules } from './rope.ts';
import type { RotateStepOp } from './rope.ts';
import { lowerRoute, routeRules } from './route.ts';
import { lowerScaleRows, scaleRowsRules } from './scale-rows.ts';
import { lowerScale, scaleRules } from './scale.ts';
import { lowerShortConvolution, shortConvolutionRules } from './short-convolution.ts';
import type { ShortConvolutionOp } from './short-convolution.ts';
import { lowerSoftcap, softcapRules } from './softcap.ts';
import { lowerOverlapAdd, overlapAddRules } from './overlap-add.ts';
import { lowerRelativeAttention, relativeAttentionRules } from './relative-attention.ts';
import { lowerPlaneConvolution, planeConvolutionRules } from './plane-convolution.ts';
import { lowerSnake, snakeRules } from './snake.ts';
import { lowerWindows, windowsRules } from './windows.ts';
import { lowerWriteMemory, writeMemoryRules } from './write-memory.ts';

export type CpuOp =
  | EmbedOp
  | NormStepOp
  | ScaleOp
  | SoftcapOp
  | ColumnsOp
  | QuantizeStepOp
  | GatherStepOp
  | ActivationOp
  | AddOp
  | RotateStepOp
  | LinearsStepOp
  | GatedStepOp
  | RouteOp
  | ExpertLinearOp
  | GatedExpertsStepOp
  | MixedExpertsStepOp
  | ExpertSumOp
  | ScaleRowsOp
  | AttentionStepOp
  | FullAttentionOp
  | StoredAttentionOp
  | MemoryWeightsOp
  | WriteMemoryOp
  | ShortConvolutionOp
  | DeltaRuleOp
  | JoinColumnsOp
  | WindowsOp
  | OverlapAddOp
  | ChannelConvolutionOp
  | RelativeAttentionOp
  | PlaneConvolutionOp
  | SnakeOp
  | GroupNormOp
  | LstmOp
  | ChooseOp;

export type CpuStep = CpuStepOf<CpuOp>;

/** What becomes of an op of the graph. */
export const LOWERINGS = {
  embed: lowerEmbed,
  rmsNorm: lowerRmsNorm,
  layerNorm: lowerLayerNorm,
  scale: lowerScale,
  softcap: lowerSoftcap,
  columns: lowerColumns,
  linear: lowerLinear,
  rope: lowerRope,
  attention: lowerAttention,
  fullAttention: lowerFullAttention,
  storedAttention: lowerStoredAttention,
  memoryWeights: lowerMemoryWeights,
  writeMemory: lowerWriteMemory,
  shortConvolution: lowerShortConvolution,
  route: lowerRoute,
  expertLinear: lowerExpertLinear,
  expertSum: lowerExpertSum,
  scaleRows: lowerScaleRows,
  deltaRule: lowerDeltaRule,
  activation: lowerActivation,
  add: lowerAdd,
  gatherRows: lowerGatherRows,
  joinColumns: lowerJoinColumns,
  windows: lowerWindows,
  overlapAdd: lowerOverlapAdd,
  channelConvolution: lowerChannelConvolution,
  relativeAttention: lowerRelativeAttention,
  planeConvolution: lowerPlaneConvolution,
  snake: lowerSnake,
  groupNorm: lowerGroupNorm,
  lstm: lowerLstm,
  choose: lowerChoose,
} satisfies { readonly [Kind in GraphOp['kind']]: Lower<OpOf<Kind>, CpuOp> };

export const CPU_OPS = {
  embed: embedRules,
  norm: normRules,
  scale: scaleRules,
  softcap: softcapRules,
  columns: columnsRules,
  quantize: quantizeRules,
  gather: gatherRules,
  fullAttention: fullAttentionRules,
  storedAttention: storedAttentionRules,
  memoryWeights: memoryWeightsRules,
  writeMemory: writeMemoryRules,
  shortConvolution: shortConvolutionRules,
  deltaRule: deltaRuleRules,
  activation: activationRules,
  add: addRules,
  rotate: rotateRules,
  linears: linearsRules,
  gated: gatedRules,
  route: routeRules,
  expertLinear: expertLinearRules,
  gatedExperts: gatedExpertsRules,
  mixedExperts: mixedExpertsRules,
  expertSum: expertSumRules,
  scaleRows: scaleRowsRules,
  attention: attentionRules,
  joinColumns: joinColumnsRules,
  windows: windowsRules,
  overlapAdd: overlapAddRules,
  channelConvolution: channelConvolutionRules,
  relativeAttention: relativeAttentionRules,
  planeConvolution: planeConvolutionRules,
  snake: snakeRules,
  groupNorm: groupNormRules,
  lstm: lstmRules,
  choose: chooseRules,
} satisfies { readonly [Kind in CpuOp['kind']]: CpuOpRules<Extract<CpuOp, { readonly kind: Kind }>> };

export function cpuRulesOf(op: CpuOp): CpuOpRules<CpuOp> {
  return CPU_OPS[op.kind] as unknown as CpuOpRules<CpuOp>;
}

/** What a line of a printed plan says of an op; `typeOf` gives a weight's type. */
export function describeOp(op: CpuOp, typeOf: TypeOf): string {
  return cpuRulesOf(op).describe(op, typeOf);
}
