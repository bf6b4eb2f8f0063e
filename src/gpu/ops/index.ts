/** The ops of a GPU plan, fused or not; and how each op of a graph becomes one. One line an op. */
import type { AddOp } from '../../graph/ops/add.ts';
import type { MemoryWeightsOp } from '../../graph/ops/memory-weights.ts';
import type { StoredAttentionOp } from '../../graph/ops/stored-attention.ts';
import type { ColumnsOp } from '../../graph/ops/columns.ts';
import type { FullAttentionOp } from '../../graph/ops/full-attention.ts';
import type { GraphOp, OpOf } from '../../graph/ops/index.ts';
import type { RopeOp } from '../../graph/ops/rope.ts';
import type { ScaleRowsOp } from '../../graph/ops/scale-rows.ts';
import type { ScaleOp } from '../../graph/ops/scale.ts';
import type { SoftcapOp } from '../../graph/ops/softcap.ts';
import type { WriteMemoryOp } from '../../graph/ops/write-memory.ts';
import type { ChannelConvolutionOp } from '../../graph/ops/channel-convolution.ts';
import type { GroupNormOp } from '../../graph/ops/group-norm.ts';
import type { JoinColumnsOp } from '../../graph/ops/join-columns.ts';
import type { LstmOp } from '../../graph/ops/lstm.ts';
import type { OverlapAddOp } from '../../graph/ops/overlap-add.ts';
import type { RelativeAttentionOp } from '../../graph/ops/relative-attention.ts';
import type { PlaneConvolutionOp } from '../../graph/ops/plane-convolution.ts';
import type { SnakeOp } from '../../graph/ops/snake.ts';
import type { WindowsOp } from '../../graph/ops/windows.ts';
import type { TypeOf } from '../../graph/weight-lookup.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuStepOf } from '../plan/gpu-value.ts';
import { activationRules, lowerActivation } from './activation.ts';
import type { ActivationOp } from './activation.ts';
import { addRules, lowerAdd } from './add.ts';
import { addNormRules } from './add-norm.ts';
import type { AddNormOp } from './add-norm.ts';
import { attentionRules, lowerAttention } from './attention.ts';
import type { AttentionOp } from './attention-op.ts';
import { blockRules } from './block.ts';
import type { BlockOp } from './block.ts';
import { memoryWeightsRules, lowerMemoryWeights } from './memory-weights.ts';
import { storedAttentionRules, lowerStoredAttention } from './stored-attention.ts';
import { channelConvolutionRules, lowerChannelConvolution } from './channel-convolution.ts';
import { chooseRules, lowerChoose } from './choose.ts';
import type { ChooseOp } from './choose.ts';
import { columnsRules, lowerColumns } from './columns.ts';
import { deltaRuleRules, lowerDeltaRule } from './delta-rule.ts';
import type { DeltaRuleOp } from './delta-rule-op.ts';
import { embedRules, lowerEmbed } from './embed.ts';
import type { EmbedOp } from './embed.ts';
import { embedTablesRules } from './embed-tables.ts';
import type { EmbedTablesOp } from './embed-tables.ts';
import { expertLinearRules, lowerExpertLinear } from './expert-linear.ts';
import type { ExpertLinearOp } from './expert-linear-op.ts';
import { expertListsRules } from './expert-lists.ts';
import type { ExpertListsOp } from './expert-lists.ts';
import { expertSumRules, lowerExpertSum } from './expert-sum.ts';
import type { ExpertSumOp } from './expert-sum.ts';
import { fullAttentionRules, lowerFullAttention } from './full-attention.ts';
import { gatherRules, lowerGatherRows } from './gather-rows.ts';
import type { GatherOp } from './gather-rows.ts';
import { groupNormRules, lowerGroupNorm } from './group-norm.ts';
import { layerNormRules, lowerLayerNorm } from './layer-norm.ts';
import type { LayerNormOp } from './layer-norm.ts';
import { linearRules, lowerLinear } from './linear.ts';
import type { LinearOp } from './linear-op.ts';
import { joinColumnsRules, lowerJoinColumns } from './join-columns.ts';
import { lowerLstm, lstmRules } from './lstm.ts';
import { normPartsRules } from './norm-parts.ts';
import type { NormPartsOp } from './norm-parts.ts';
import { quantizeRules } from './quantize.ts';
import type { QuantizeOp } from './quantize.ts';
import { lowerRmsNorm, normRules } from './rms-norm.ts';
import type { NormOp } from './rms-norm.ts';
import { lowerRope, ropeRules } from './rope.ts';
import { lowerRoute, routeRules } from './route.ts';
import type { RouteOp } from './route.ts';
import { lowerScale, scaleRules } from './scale.ts';
import { lowerScaleRows, scaleRowsRules } from './scale-rows.ts';
import { lowerShortConvolution, shortConvolutionRules } from './short-convolution.ts';
import type { ShortConvolutionOp } from './short-convolution.ts';
import { lowerSoftcap, softcapRules } from './softcap.ts';
import { sumPartsRules } from './sum-parts.ts';
import type { SumPartsOp } from './sum-parts.ts';
import { lowerOverlapAdd, overlapAddRules } from './overlap-add.ts';
import { lowerRelativeAttention, relativeAttentionRules } from './relative-attention.ts';
import { lowerPlaneConvolution, planeConvolutionRules } from './plane-convolution.ts';
import { lowerSnake, snakeRules } from './snake.ts';
import { lowerWindows, windowsRules } from './windows.ts';
import { lowerWriteMemory, writeMemoryRules } from './write-memory.ts';

export type GpuOp =
  | LinearOp
  | EmbedOp
  | EmbedTablesOp
  | BlockOp
  | SumPartsOp
  | NormOp
  | NormPartsOp
  | LayerNormOp
  | ScaleOp
  | SoftcapOp
  | ColumnsOp
  | QuantizeOp
  | RopeOp
  | AttentionOp
  | FullAttentionOp
  | StoredAttentionOp
  | MemoryWeightsOp
  | WriteMemoryOp
  | ShortConvolutionOp
  | DeltaRuleOp
  | RouteOp
  | ExpertListsOp
  | ExpertLinearOp
  | ExpertSumOp
  | ScaleRowsOp
  | ActivationOp
  | AddOp
  | AddNormOp
  | GatherOp
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

export type GpuStep = GpuStepOf<GpuOp>;

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
} satisfies { readonly [Kind in GraphOp['kind']]: Lower<OpOf<Kind>, GpuOp> };

export const GPU_OPS = {
  linear: linearRules,
  embed: embedRules,
  embedTables: embedTablesRules,
  block: blockRules,
  sumParts: sumPartsRules,
  norm: normRules,
  normParts: normPartsRules,
  layerNorm: layerNormRules,
  scale: scaleRules,
  softcap: softcapRules,
  columns: columnsRules,
  quantize: quantizeRules,
  rope: ropeRules,
  attention: attentionRules,
  fullAttention: fullAttentionRules,
  storedAttention: storedAttentionRules,
  memoryWeights: memoryWeightsRules,
  writeMemory: writeMemoryRules,
  shortConvolution: shortConvolutionRules,
  deltaRule: deltaRuleRules,
  route: routeRules,
  expertLists: expertListsRules,
  expertLinear: expertLinearRules,
  expertSum: expertSumRules,
  scaleRows: scaleRowsRules,
  activation: activationRules,
  add: addRules,
  addNorm: addNormRules,
  gather: gatherRules,
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
} satisfies { readonly [Kind in GpuOp['kind']]: GpuOpRules<Extract<GpuOp, { readonly kind: Kind }>> };

export function gpuRulesOf(op: GpuOp): GpuOpRules<GpuOp> {
  return GPU_OPS[op.kind] as unknown as GpuOpRules<GpuOp>;
}

/** What a line of a printed plan says of an op; `typeOf` gives a weight's type. */
export function describeOp(op: GpuOp, typeOf: TypeOf): string {
  return gpuRulesOf(op).describe(op, typeOf);
}
