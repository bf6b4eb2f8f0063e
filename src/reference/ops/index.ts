/** The ops in plain float64 arithmetic: slow, obvious, the oracle of every kernel test. One line an op. */
import type { GraphOp, OpOf } from '../../graph/ops/index.ts';
import type { RunOp } from '../op-run.ts';
import { runActivation } from './activation.ts';
import { runAdd } from './add.ts';
import { runAttention } from './attention.ts';
import { runMemoryWeights } from './memory-weights.ts';
import { runStoredAttention } from './stored-attention.ts';
import { runChannelConvolution } from './channel-convolution.ts';
import { runChoose } from './choose.ts';
import { runColumns } from './columns.ts';
import { runDeltaRule } from './delta-rule.ts';
import { runJoinColumns } from './join-columns.ts';
import { runLayerNorm } from './layer-norm.ts';
import { runScale } from './scale.ts';
import { runSoftcap } from './softcap.ts';
import { runEmbed } from './embed.ts';
import { runFullAttention } from './full-attention.ts';
import { runGatherRows } from './gather-rows.ts';
import { runGroupNorm } from './group-norm.ts';
import { runLinear } from './linear.ts';
import { runLstm } from './lstm.ts';
import { runRmsNorm } from './rms-norm.ts';
import { runRope } from './rope.ts';
import { runShortConvolution } from './short-convolution.ts';
import { runRoute } from './route.ts';
import { runExpertLinear } from './expert-linear.ts';
import { runExpertSum } from './expert-sum.ts';
import { runScaleRows } from './scale-rows.ts';
import { runOverlapAdd } from './overlap-add.ts';
import { runRelativeAttention } from './relative-attention.ts';
import { runPlaneConvolution } from './plane-convolution.ts';
import { runSnake } from './snake.ts';
import { runWindows } from './windows.ts';
import { runWriteMemory } from './write-memory.ts';

export const REFERENCE_OPS = {
  embed: runEmbed,
  rmsNorm: runRmsNorm,
  layerNorm: runLayerNorm,
  scale: runScale,
  softcap: runSoftcap,
  columns: runColumns,
  linear: runLinear,
  rope: runRope,
  attention: runAttention,
  fullAttention: runFullAttention,
  storedAttention: runStoredAttention,
  memoryWeights: runMemoryWeights,
  writeMemory: runWriteMemory,
  shortConvolution: runShortConvolution,
  route: runRoute,
  expertLinear: runExpertLinear,
  expertSum: runExpertSum,
  scaleRows: runScaleRows,
  deltaRule: runDeltaRule,
  activation: runActivation,
  add: runAdd,
  gatherRows: runGatherRows,
  joinColumns: runJoinColumns,
  windows: runWindows,
  overlapAdd: runOverlapAdd,
  channelConvolution: runChannelConvolution,
  relativeAttention: runRelativeAttention,
  planeConvolution: runPlaneConvolution,
  snake: runSnake,
  groupNorm: runGroupNorm,
  lstm: runLstm,
  choose: runChoose,
} satisfies { readonly [Kind in GraphOp['kind']]: RunOp<OpOf<Kind>> };
