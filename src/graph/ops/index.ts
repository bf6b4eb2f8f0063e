/**
 * The semantic ops: they say what is computed, not how. One line an op here and in the index of every executor's own `ops/`;
 * a room without a line for one of them does not compile.
 */
import type { OpRules } from '../op-rules.ts';
import { activationRules } from './activation.ts';
import type { ActivationOp } from './activation.ts';
import { addRules } from './add.ts';
import type { AddOp } from './add.ts';
import { attentionRules } from './attention.ts';
import type { AttentionOp } from './attention.ts';
import { memoryWeightsRules } from './memory-weights.ts';
import { storedAttentionRules } from './stored-attention.ts';
import type { MemoryWeightsOp } from './memory-weights.ts';
import type { StoredAttentionOp } from './stored-attention.ts';
import { deltaRuleRules } from './delta-rule.ts';
import type { DeltaRuleOp } from './delta-rule.ts';
import { embedRules } from './embed.ts';
import type { EmbedOp } from './embed.ts';
import { fullAttentionRules } from './full-attention.ts';
import type { FullAttentionOp } from './full-attention.ts';
import { chooseRules } from './choose.ts';
import type { ChooseOp } from './choose.ts';
import { gatherRowsRules } from './gather-rows.ts';
import type { GatherRowsOp } from './gather-rows.ts';
import { columnsRules } from './columns.ts';
import type { ColumnsOp } from './columns.ts';
import { joinColumnsRules } from './join-columns.ts';
import type { JoinColumnsOp } from './join-columns.ts';
import { layerNormRules } from './layer-norm.ts';
import type { LayerNormOp } from './layer-norm.ts';
import { channelConvolutionRules } from './channel-convolution.ts';
import type { ChannelConvolutionOp } from './channel-convolution.ts';
import { groupNormRules } from './group-norm.ts';
import type { GroupNormOp } from './group-norm.ts';
import { lstmRules } from './lstm.ts';
import type { LstmOp } from './lstm.ts';
import { overlapAddRules } from './overlap-add.ts';
import type { OverlapAddOp } from './overlap-add.ts';
import { relativeAttentionRules } from './relative-attention.ts';
import type { RelativeAttentionOp } from './relative-attention.ts';
import { planeConvolutionRules } from './plane-convolution.ts';
import type { PlaneConvolutionOp } from './plane-convolution.ts';
import { snakeRules } from './snake.ts';
import type { SnakeOp } from './snake.ts';
import { windowsRules } from './windows.ts';
import type { WindowsOp } from './windows.ts';
import { scaleRules } from './scale.ts';
import type { ScaleOp } from './scale.ts';
import { softcapRules } from './softcap.ts';
import type { SoftcapOp } from './softcap.ts';
import { linearRules } from './linear.ts';
import type { LinearOp } from './linear.ts';
import { rmsNormRules } from './rms-norm.ts';
import type { RmsNormOp } from './rms-norm.ts';
import { ropeRules } from './rope.ts';
import type { RopeOp } from './rope.ts';
import { shortConvolutionRules } from './short-convolution.ts';
import type { ShortConvolutionOp } from './short-convolution.ts';
import { routeRules } from './route.ts';
import type { RouteOp } from './route.ts';
import { expertLinearRules } from './expert-linear.ts';
import type { ExpertLinearOp } from './expert-linear.ts';
import { expertSumRules } from './expert-sum.ts';
import type { ExpertSumOp } from './expert-sum.ts';
import { scaleRowsRules } from './scale-rows.ts';
import type { ScaleRowsOp } from './scale-rows.ts';
import { writeMemoryRules } from './write-memory.ts';
import type { WriteMemoryOp } from './write-memory.ts';

export type GraphOp =
  | EmbedOp
  | RmsNormOp
  | LayerNormOp
  | ScaleOp
  | SoftcapOp
  | ColumnsOp
  | LinearOp
  | RopeOp
  | AttentionOp
  | FullAttentionOp
  | StoredAttentionOp
  | MemoryWeightsOp
  | WriteMemoryOp
  | ShortConvolutionOp
  | RouteOp
  | ExpertLinearOp
  | ExpertSumOp
  | ScaleRowsOp
  | DeltaRuleOp
  | ActivationOp
  | AddOp
  | GatherRowsOp
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

export type OpOf<Kind extends GraphOp['kind']> = Extract<GraphOp, { readonly kind: Kind }>;

export const OP_RULES = {
  embed: embedRules,
  rmsNorm: rmsNormRules,
  layerNorm: layerNormRules,
  scale: scaleRules,
  softcap: softcapRules,
  columns: columnsRules,
  linear: linearRules,
  rope: ropeRules,
  attention: attentionRules,
  fullAttention: fullAttentionRules,
  storedAttention: storedAttentionRules,
  memoryWeights: memoryWeightsRules,
  writeMemory: writeMemoryRules,
  shortConvolution: shortConvolutionRules,
  route: routeRules,
  expertLinear: expertLinearRules,
  expertSum: expertSumRules,
  scaleRows: scaleRowsRules,
  deltaRule: deltaRuleRules,
  activation: activationRules,
  add: addRules,
  gatherRows: gatherRowsRules,
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
} satisfies { readonly [Kind in GraphOp['kind']]: OpRules<OpOf<Kind>> };

/** The rules of whatever op. */
export function rulesOf(op: GraphOp): OpRules<GraphOp> {
  return OP_RULES[op.kind] as unknown as OpRules<GraphOp>;
}
