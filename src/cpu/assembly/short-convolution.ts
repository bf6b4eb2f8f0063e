/**
 * Each channel over its last few values. A work item is a block of channels of one sequence: it goes through the rows one after another,
 * then leaves the last inputs in the slot, which may be the one that it has read.
 */
import { takeItems } from './control';
import { SEQUENCE_BYTES, SequenceRecord, ShortConvolutionRecord, StepRecord } from './step-records';

const CHANNELS_PER_ITEM: i32 = 64;

export function runShortConvolution(control: usize, op: ShortConvolutionRecord, step: StepRecord): void {
  const blocks = (op.channels + CHANNELS_PER_ITEM - 1) / CHANNELS_PER_ITEM;
  const items = step.sequenceCount * blocks;
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    const sequence = changetype<SequenceRecord>(step.sequences + <usize>(item / blocks) * SEQUENCE_BYTES);
    const first = (item % blocks) * CHANNELS_PER_ITEM;
    convolve(op, sequence, first, min(first + CHANNELS_PER_ITEM, op.channels));
  }
}

/** Address of the inputs [channels] at time t of a sequence, which is negative before its rows. */
// @ts-ignore: decorator
@inline
function inputsAt(op: ShortConvolutionRecord, sequence: SequenceRecord, t: i32): usize {
  if (t >= 0) return op.x + <usize>(sequence.firstRow + t) * op.xStride;
  return sequence.read + op.stateOffset + <usize>((op.width - 1 + t) * op.channels) * 4;
}

function convolve(op: ShortConvolutionRecord, sequence: SequenceRecord, first: i32, end: i32): void {
  const width = op.width;
  for (let t = 0; t < sequence.rows; t++) {
    const out = op.out + <usize>(sequence.firstRow + t) * op.outStride;
    for (let c = first; c < end; c++) store<f32>(out + <usize>c * 4, op.bias ? load<f32>(op.bias + <usize>c * 4) : 0);
    for (let j = 0; j < width; j++) {
      const x = inputsAt(op, sequence, t - (width - 1) + j);
      for (let c = first; c < end; c++) {
        const at = <usize>c * 4;
        const weight = load<f32>(op.weight + <usize>(c * width + j) * 4);
        store<f32>(out + at, load<f32>(out + at) + weight * load<f32>(x + at));
      }
    }
  }
  // Rows of the slot in rising order: each is read before it is written, should both slots be one.
  for (let s = 0; s < width - 1; s++) {
    const from = inputsAt(op, sequence, sequence.rows - (width - 1) + s) + <usize>first * 4;
    const to = sequence.write + op.stateOffset + <usize>(s * op.channels + first) * 4;
    memory.copy(to, from, <usize>(end - first) * 4);
  }
}
