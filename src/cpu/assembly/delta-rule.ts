/**
 * The gated delta rule (graph/ops/delta-rule.ts). A state's line S[value, :] changes by itself, given the row's query and key: a work item
 * is some lines of one head of one sequence, which go through the rows one after another.
 *
 * A row reads the old line s once for both products and then replaces it, with d the decay:
 *     correction = beta * (v - d * (s . k)),  y = d * (s . q) + correction * (k . q),  s = d * s + correction * k.
 */
import { takeItems } from './control';
import { exp1, madd, sumLanes, sumOfEach } from './float-math';
import { SEQUENCE_BYTES, DeltaRuleRecord, SequenceRecord, StepRecord } from './step-records';

const LINES_PER_ITEM: i32 = 64;
/** Beside the sum of squares of a query or key. */
const EPS: f32 = 1e-6;

export function runDeltaRule(control: usize, op: DeltaRuleRecord, step: StepRecord, scratch: usize): void {
  const blocks = (op.valueDim + LINES_PER_ITEM - 1) / LINES_PER_ITEM;
  const items = step.sequenceCount * op.valueHeads * blocks;
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    const first = (item % blocks) * LINES_PER_ITEM;
    const head = (item / blocks) % op.valueHeads;
    const sequence = changetype<SequenceRecord>(step.sequences + <usize>(item / blocks / op.valueHeads) * SEQUENCE_BYTES);
    scanRows(op, sequence, head, first, min(first + LINES_PER_ITEM, op.valueDim), scratch);
  }
}

function scanRows(op: DeltaRuleRecord, sequence: SequenceRecord, head: i32, first: i32, end: i32, scratch: usize): void {
  const keyHead = op.tiled ? head % op.keyHeads : head / (op.valueHeads / op.keyHeads);
  const keyBytes = <usize>(op.keyDim * 4);
  const q = scratch;
  const k = scratch + keyBytes;
  const stateAt = op.stateOffset + <usize>(head * op.valueDim + first) * keyBytes;
  let from = sequence.read + stateAt;
  const to = sequence.write + stateAt;
  const rate = load<f32>(op.decay + <usize>(head * 4));
  const dtBias = load<f32>(op.dtBias + <usize>(head * 4));
  for (let row = sequence.firstRow; row < sequence.firstRow + sequence.rows; row++) {
    const qkv = op.qkv + <usize>row * op.qkvStride;
    unitVector(qkv + <usize>keyHead * keyBytes, <f32>1.0 / sqrt<f32>(<f32>op.keyDim), q, op.keyDim);
    unitVector(qkv + <usize>(op.keyHeads + keyHead) * keyBytes, 1, k, op.keyDim);
    const decay = exp1(rate * softplus(load<f32>(op.a + <usize>row * op.aStride + <usize>(head * 4)) + dtBias));
    const beta = sigmoid(load<f32>(op.b + <usize>row * op.bStride + <usize>(head * 4)));
    const values = qkv + <usize>(2 * op.keyHeads) * keyBytes + <usize>(head * op.valueDim * 4);
    const out = op.out + <usize>row * op.outStride + <usize>(head * op.valueDim * 4);
    const kq = dot(k, q, op.keyDim);
    let line = first;
    if (op.keyDim % 4 == 0) {
      for (; line + 4 <= end; line += 4) {
        const at = <usize>(line - first) * keyBytes;
        const value = <usize>(line * 4);
        v128.store(out + value, stepLines(from + at, to + at, q, k, op.keyDim, v128.load(values + value), decay, beta, kq));
      }
    }
    for (; line < end; line++) {
      const at = <usize>(line - first) * keyBytes;
      const value = <usize>(line * 4);
      store<f32>(out + value, stepLine(from + at, to + at, q, k, op.keyDim, load<f32>(values + value), decay, beta, kq));
    }
    from = to;
  }
}

/** out = scale * x / sqrt(sum(x^2) + eps). */
function unitVector(x: usize, scale: f32, out: usize, count: i32): void {
  const factor = scale / sqrt<f32>(dot(x, x, count) + EPS);
  const factors = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= count; i += 4) v128.store(out + <usize>(i * 4), f32x4.mul(v128.load(x + <usize>(i * 4)), factors));
  for (; i < count; i++) store<f32>(out + <usize>(i * 4), load<f32>(x + <usize>(i * 4)) * factor);
}

function dot(x: usize, y: usize, count: i32): f32 {
  let sums = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= count; i += 4) sums = madd(v128.load(x + <usize>(i * 4)), v128.load(y + <usize>(i * 4)), sums);
  let sum = sumLanes(sums);
  for (; i < count; i++) sum += load<f32>(x + <usize>(i * 4)) * load<f32>(y + <usize>(i * 4));
  return sum;
}

function softplus(x: f32): f32 {
  return max<f32>(x, 0) + NativeMathf.log1p(exp1(-abs<f32>(x)));
}

function sigmoid(x: f32): f32 {
  const e = exp1(-abs<f32>(x));
  return (x < 0 ? e : <f32>1) / (<f32>1 + e);
}

/** Four lines one after another, `keyDim` a multiple of 4; their y. */
function stepLines(
  from: usize, to: usize, q: usize, k: usize, keyDim: i32, values: v128, decay: f32, beta: f32, kq: f32,
): v128 {
  const bytes = <usize>(keyDim * 4);
  let k0 = f32x4.splat(0);
  let k1 = f32x4.splat(0);
  let k2 = f32x4.splat(0);
  let k3 = f32x4.splat(0);
  let q0 = f32x4.splat(0);
  let q1 = f32x4.splat(0);
  let q2 = f32x4.splat(0);
  let q3 = f32x4.splat(0);
  for (let at: usize = 0; at < bytes; at += 16) {
    const kOf = v128.load(k + at);
    const qOf = v128.load(q + at);
    const line0 = v128.load(from + at);
    k0 = madd(line0, kOf, k0);
    q0 = madd(line0, qOf, q0);
    const line1 = v128.load(from + bytes + at);
    k1 = madd(line1, kOf, k1);
    q1 = madd(line1, qOf, q1);
    const line2 = v128.load(from + 2 * bytes + at);
    k2 = madd(line2, kOf, k2);
    q2 = madd(line2, qOf, q2);
    const line3 = v128.load(from + 3 * bytes + at);
    k3 = madd(line3, kOf, k3);
    q3 = madd(line3, qOf, q3);
  }
  const decays = f32x4.splat(decay);
  const missing = f32x4.sub(values, f32x4.mul(decays, sumOfEach(k0, k1, k2, k3)));
  const corrections = f32x4.mul(f32x4.splat(beta), missing);
  const c0 = f32x4.splat(f32x4.extract_lane(corrections, 0));
  const c1 = f32x4.splat(f32x4.extract_lane(corrections, 1));
  const c2 = f32x4.splat(f32x4.extract_lane(corrections, 2));
  const c3 = f32x4.splat(f32x4.extract_lane(corrections, 3));
  for (let at: usize = 0; at < bytes; at += 16) {
    const kOf = v128.load(k + at);
    v128.store(to + at, madd(kOf, c0, f32x4.mul(decays, v128.load(from + at))));
    v128.store(to + bytes + at, madd(kOf, c1, f32x4.mul(decays, v128.load(from + bytes + at))));
    v128.store(to + 2 * bytes + at, madd(kOf, c2, f32x4.mul(decays, v128.load(from + 2 * bytes + at))));
    v128.store(to + 3 * bytes + at, madd(kOf, c3, f32x4.mul(decays, v128.load(from + 3 * bytes + at))));
  }
  return madd(corrections, f32x4.splat(kq), f32x4.mul(decays, sumOfEach(q0, q1, q2, q3)));
}

/** One line of any length; its y. */
function stepLine(from: usize, to: usize, q: usize, k: usize, keyDim: i32, value: f32, decay: f32, beta: f32, kq: f32): f32 {
  const correction = beta * (value - decay * dot(from, k, keyDim));
  const y = decay * dot(from, q, keyDim) + correction * kq;
  for (let at: usize = 0; at < <usize>(keyDim * 4); at += 4) {
    store<f32>(to + at, decay * load<f32>(from + at) + correction * load<f32>(k + at));
  }
  return y;
}
