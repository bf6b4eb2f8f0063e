/** What a thread runs: it waits for a step, goes through the plan's ops with all other threads, and waits again. */
import { runAttention, runStoredAttention, runWriteMemory } from './attention-step';
import { BurstRecord, chooseTokens } from './burst';
import { runCheck, runPack } from './check';
import {
  awaitStep, barrier, burstOf, endHosted, finishStep, programBegin, programEnd, scratchOf, startHosted, stepOf, threadCount,
} from './control';
import { runChoose } from './choose';
import { runDeltaRule } from './delta-rule';
import { runExpertMix, runExperts } from './expert-steps';
import { runFullAttention } from './full-attention';
import { runGroupNorm } from './group-norm';
import { runGated, runLinears } from './linear-steps';
import { runLstm } from './lstm';
import { runMemoryWeights } from './memory-weights';
import { runPlaneConvolution } from './plane-convolution';
import { runRelativeAttention } from './relative-attention';
import { runRoute } from './route';
import { runShortConvolution } from './short-convolution';
import { runSnake } from './snake';
import {
  ACTIVATION, ADD, COLUMNS, EXPERT_SUM, GATHER, JOIN_COLUMNS, QUANTIZE, runEmbed, runNorm, runNumber, runRotate, runRows, SCALE_ROWS,
} from './row-steps';
import {
  ChannelConvolutionRecord, GroupNormRecord, LstmRecord, OverlapAddRecord, PlaneConvolutionRecord, WindowsRecord,
} from './sound-records';
import {
  AttentionRecord, CheckRecord, ChooseRecord, DeltaRuleRecord, EmbedRecord, ExpertsRecord, FullAttentionRecord, GatedRecord, LinearsRecord,
  NormRecord, NumberRecord, OpRecord, PackRecord, RelativeAttentionRecord, RotateRecord, RouteRecord, RowRecord, ShortConvolutionRecord,
  StepRecord,
} from './step-records';
import { runChannelConvolution, runOverlapAdd, runWindows } from './windows';

/** Op codes; cpu/ops/ holds the same numbers. */
const OP_EMBED: i32 = 1;
const OP_NORM: i32 = 2;
const OP_QUANTIZE: i32 = 3;
const OP_GATHER: i32 = 4;
const OP_ACTIVATION: i32 = 5;
const OP_ADD: i32 = 6;
const OP_ROTATE: i32 = 7;
const OP_LINEARS: i32 = 8;
const OP_GATED: i32 = 9;
const OP_ATTENTION: i32 = 10;
const OP_CHECK: i32 = 11;
const OP_FULL_ATTENTION: i32 = 12;
const OP_SHORT_CONVOLUTION: i32 = 13;
const OP_WRITE_MEMORY: i32 = 14;
const OP_STORED_ATTENTION: i32 = 15;
const OP_SCALE: i32 = 16;
const OP_SOFTCAP: i32 = 17;
const OP_COLUMNS: i32 = 18;
const OP_DELTA_RULE: i32 = 19;
const OP_ROUTE: i32 = 20;
const OP_EXPERTS: i32 = 21;
const OP_EXPERT_MIX: i32 = 22;
const OP_EXPERT_SUM: i32 = 23;
const OP_SCALE_ROWS: i32 = 24;
const OP_PACK: i32 = 25;
const OP_WINDOWS: i32 = 26;
const OP_CHANNEL_CONVOLUTION: i32 = 27;
const OP_GROUP_NORM: i32 = 28;
const OP_LSTM: i32 = 29;
const OP_OVERLAP_ADD: i32 = 30;
const OP_RELATIVE_ATTENTION: i32 = 31;
const OP_PLANE_CONVOLUTION: i32 = 32;
const OP_SNAKE: i32 = 33;
const OP_MEMORY_WEIGHTS: i32 = 34;
const OP_CHOOSE: i32 = 35;
const OP_JOIN_COLUMNS: i32 = 36;

/** Runs steps until one ends whose last thread is this one: then 1, and the host is to be told. 0: the threads are to end. */
export function threadMain(control: usize, thread: i32): i32 {
  while (awaitStep(control, thread)) {
    runProgram(control, thread);
    if (finishStep(control, thread)) return 1;
  }
  return 0;
}

/** Runs a step on the calling thread, the host's, in the last worker's place, and on the others. It is done when this returns. */
export function hostMain(control: usize): void {
  startHosted(control);
  runProgram(control, threadCount(control) - 1);
  endHosted(control);
}

/** Runs the step that the host has written, or a burst of steps, all but the first of which follow from the one before. */
function runProgram(control: usize, thread: i32): void {
  const step = changetype<StepRecord>(stepOf(control));
  runOps(control, thread, step);
  if (burstOf(control) == 0) return;
  const burst = changetype<BurstRecord>(burstOf(control));
  for (let done = 1; ; done++) {
    barrier(control, thread);
    chooseTokens(control, burst, step, done);
    if (done == burst.steps) return;
    barrier(control, thread);
    if (burst.isOver || burst.wanting == 0) return;
    runOps(control, thread, step);
  }
}

function runOps(control: usize, thread: i32, step: StepRecord): void {
  const end = programEnd(control);
  let at = programBegin(control);
  while (at < end) {
    const op = changetype<OpRecord>(at);
    runOp(control, thread, op, step);
    at += <usize>op.bytes;
    if (at < end) barrier(control, thread);
  }
}

function runOp(control: usize, thread: i32, op: OpRecord, step: StepRecord): void {
  const at = changetype<usize>(op);
  const scratch = scratchOf(control, thread);
  switch (op.code) {
    case OP_EMBED: return runEmbed(control, changetype<EmbedRecord>(at), step);
    case OP_NORM: return runNorm(control, changetype<NormRecord>(at), step, scratch);
    case OP_QUANTIZE: return runRows(control, changetype<RowRecord>(at), step, QUANTIZE);
    case OP_GATHER: return runRows(control, changetype<RowRecord>(at), step, GATHER);
    case OP_ACTIVATION: return runRows(control, changetype<RowRecord>(at), step, ACTIVATION);
    case OP_ADD: return runRows(control, changetype<RowRecord>(at), step, ADD);
    case OP_COLUMNS: return runRows(control, changetype<RowRecord>(at), step, COLUMNS);
    case OP_JOIN_COLUMNS: return runRows(control, changetype<RowRecord>(at), step, JOIN_COLUMNS);
    case OP_EXPERT_SUM: return runRows(control, changetype<RowRecord>(at), step, EXPERT_SUM);
    case OP_SCALE_ROWS: return runRows(control, changetype<RowRecord>(at), step, SCALE_ROWS);
    case OP_SCALE: return runNumber(control, changetype<NumberRecord>(at), step, false);
    case OP_SOFTCAP: return runNumber(control, changetype<NumberRecord>(at), step, true);
    case OP_ROTATE: return runRotate(control, changetype<RotateRecord>(at), step);
    case OP_LINEARS: return runLinears(control, thread, changetype<LinearsRecord>(at), step);
    case OP_GATED: return runGated(control, thread, changetype<GatedRecord>(at), step);
    case OP_ATTENTION: return runAttention(control, thread, changetype<AttentionRecord>(at), step);
    case OP_FULL_ATTENTION: return runFullAttention(control, changetype<FullAttentionRecord>(at), step, scratch);
    case OP_SHORT_CONVOLUTION: return runShortConvolution(control, changetype<ShortConvolutionRecord>(at), step, scratch);
    case OP_DELTA_RULE: return runDeltaRule(control, changetype<DeltaRuleRecord>(at), step, scratch);
    case OP_WRITE_MEMORY: return runWriteMemory(control, thread, changetype<AttentionRecord>(at), step);
    case OP_STORED_ATTENTION: return runStoredAttention(control, thread, changetype<AttentionRecord>(at), step);
    case OP_MEMORY_WEIGHTS: return runMemoryWeights(control, thread, changetype<AttentionRecord>(at), step);
    case OP_ROUTE: return runRoute(control, changetype<RouteRecord>(at), step, scratch);
    case OP_EXPERTS: return runExperts(control, changetype<ExpertsRecord>(at), step, scratch);
    case OP_EXPERT_MIX: return runExpertMix(control, changetype<ExpertsRecord>(at), step, scratch);
    case OP_CHECK: return runCheck(control, changetype<CheckRecord>(at));
    case OP_PACK: return runPack(control, changetype<PackRecord>(at), scratch);
    case OP_WINDOWS: return runWindows(control, changetype<WindowsRecord>(at), step);
    case OP_CHANNEL_CONVOLUTION: return runChannelConvolution(control, changetype<ChannelConvolutionRecord>(at), step, scratch);
    case OP_GROUP_NORM: return runGroupNorm(control, changetype<GroupNormRecord>(at), step, scratch);
    case OP_LSTM: return runLstm(control, changetype<LstmRecord>(at), step, scratch);
    case OP_OVERLAP_ADD: return runOverlapAdd(control, changetype<OverlapAddRecord>(at), step);
    case OP_RELATIVE_ATTENTION: return runRelativeAttention(control, changetype<RelativeAttentionRecord>(at), step, scratch);
    case OP_PLANE_CONVOLUTION: return runPlaneConvolution(control, changetype<PlaneConvolutionRecord>(at), step);
    case OP_SNAKE: return runSnake(control, changetype<NumberRecord>(at), step);
    case OP_CHOOSE: return runChoose(control, changetype<ChooseRecord>(at), step);
    default: unreachable();
  }
}

/** Where the module's own constants end and the host's memory begins. */
export function heapBase(): usize {
  return __heap_base;
}
