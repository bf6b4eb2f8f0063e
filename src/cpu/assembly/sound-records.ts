/** Records of the ops over time, as step-records.ts has those of all others. */
import { OpRecord } from './step-records';

/** Rows put side by side: value j * channels + c of row t is that of row t * stride + j * dilation - before, or zero. */
@unmanaged
export class WindowsRecord extends OpRecord {
  taps: i32;
  stride: i32;
  dilation: i32;
  before: i32;
  /** Index of the dim that counts the rows of x. */
  rows: i32;
  channels: i32;
  x: usize;
  xStride: usize;
  out: usize;
  outStride: usize;
}

/** A convolution of every channel over such rows. */
@unmanaged
export class ChannelConvolutionRecord extends WindowsRecord {
  /** f32[channels, taps]. */
  weight: usize;
  /** f32[channels], or 0. */
  bias: usize;
}

/** A convolution over rows and bins: cell row * bins + bin. */
@unmanaged
export class PlaneConvolutionRecord extends OpRecord {
  /** Along each axis. */
  taps: i32;
  stride: i32;
  before: i32;
  bins: i32;
  outBins: i32;
  /** Index of the dim that counts the cells of x. */
  cells: i32;
  /** Channels of x, and of the result. */
  from: i32;
  channels: i32;
  /** f32[taps * taps, channels]. */
  weight: usize;
  /** f32[channels], or 0. */
  bias: usize;
  x: usize;
  xStride: usize;
  out: usize;
  outStride: usize;
}

@unmanaged
export class GroupNormRecord extends OpRecord {
  groups: i32;
  /** Channels of a group. */
  width: i32;
  eps: f32;
  /** f32[groups * width] each, or 0. */
  gain: usize;
  bias: usize;
  x: usize;
  xStride: usize;
  out: usize;
  outStride: usize;
}

@unmanaged
export class LstmRecord extends OpRecord {
  hidden: i32;
  /** f32[4 * hidden, hidden]. */
  weight: usize;
  /** Bytes from the beginning of a slot to f32[2, hidden]; all ones: there is no state. */
  stateOffset: usize;
  /** 1: from the last row to the first. */
  reverse: i32;
  gates: usize;
  gatesStride: usize;
  out: usize;
  outStride: usize;
}

/** Windows backwards: `channels` are those of the result. */
@unmanaged
export class OverlapAddRecord extends WindowsRecord {
  /** f32[channels], or 0. */
  bias: usize;
}
