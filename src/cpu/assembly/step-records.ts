/**
 * Views of what the host writes into memory: the record of a step (what changes from run to run) and the records of
 * the plan's ops (written once). Every field has 4 bytes; program-writer.ts and step-writer.ts write them in this order.
 */

/** What one run works on. */
@unmanaged
export class StepRecord {
  /** Sizes of the graph's dims, i32[]; ops name theirs by index. */
  sizes: usize;
  /**
   * Address of the page, by group, and position in it of every row and of positions behind it: u32[positions][groups][most rows],
   * i32[positions][most rows].
   */
  rowPages: usize;
  rowSlots: usize;
  /** TileRecord[tileCount], largest first. */
  tiles: usize;
  tileCount: i32;
  /** CombineRecord[combineCount]: rows whose keys were split. */
  combines: usize;
  combineCount: i32;
  /** SequenceRecord[sequenceCount]. */
  sequences: usize;
  sequenceCount: i32;
  /** 1: every sequence has one tile, of all its rows and keys. */
  areWhole: i32;
}

/** Whose rows are whose, and the slots that hold the state before and after them. */
@unmanaged
export class SequenceRecord {
  firstRow: i32;
  rows: i32;
  read: usize;
  write: usize;
  /** Positions that its memories hold. */
  memory: i32;
}

/** Rows of one sequence and the keys they look at. */
@unmanaged
export class TileRecord {
  /** u32[], addresses of the sequence's pages of the first group. */
  pages: usize;
  firstRow: i32;
  rows: i32;
  firstPosition: i32;
  keyBegin: i32;
  keyEnd: i32;
  /** Which partial result to write, or -1 to write the result. */
  partial: i32;
  /** Index of its SequenceRecord. */
  sequence: i32;
}

@unmanaged
export class CombineRecord {
  row: i32;
  firstPartial: i32;
  partials: i32;
}

export const TILE_BYTES: usize = 32;
export const COMBINE_BYTES: usize = 12;
export const SEQUENCE_BYTES: usize = 20;

/** Head of every op record. */
@unmanaged
export class OpRecord {
  code: i32;
  bytes: i32;
  /** Index of the dim that counts the rows it works on. */
  outer: i32;
}

// @ts-ignore: decorator
@inline
export function rowsOf(op: OpRecord, step: StepRecord): i32 {
  return load<i32>(step.sizes + <usize>(op.outer * 4));
}

@unmanaged
export class EmbedRecord extends OpRecord {
  /** i32[rows]. */
  tokens: usize;
  type: i32;
  weight: usize;
  rowBytes: usize;
  cols: i32;
  /** Factor of every value. */
  scale: f32;
  out: usize;
  outStride: usize;
}

/** Norm of each of `groups` parts of a row, and a residual, to floats, to int8 activations, or to both (0: not wanted). */
@unmanaged
export class NormRecord extends OpRecord {
  /** i32[rows], or 0: row i of the result is that of input row indices[i]. */
  indices: usize;
  x: usize;
  xStride: usize;
  /** f32[cols], or 0: a gain of 1. */
  gain: usize;
  eps: f32;
  /** 1: a layer norm, which takes the mean away. */
  centred: i32;
  /** Of a layer norm: f32[cols], or 0. */
  bias: usize;
  groups: i32;
  /** Length of one part. */
  cols: i32;
  out: usize;
  outStride: usize;
  codes: usize;
  codesStride: usize;
  /** f32 rows to add, or 0. */
  residual: usize;
  residualStride: usize;
}

/**
 * One input, one output: quantise, activation, columns; or two inputs: gated activation, add, sums over experts with their routes,
 * rows and a factor each; gather, whose second ones are indices.
 */
@unmanaged
export class RowRecord extends OpRecord {
  a: usize;
  aStride: usize;
  b: usize;
  bStride: usize;
  out: usize;
  outStride: usize;
  cols: i32;
  /** The function of an activation; the first column; experts of a row; columns of the first input. */
  word: i32;
}

/** `word` is the function. */
@unmanaged
export class ActivationRecord extends RowRecord {
  /** Bounds of a gate, and what is added to the other factor; a limit of 0: no bounds, and nothing is added. */
  limit: f32;
  offset: f32;
}

/** One input, one output and a number: scale, softcap; or a number of each column: snake. */
@unmanaged
export class NumberRecord extends OpRecord {
  x: usize;
  xStride: usize;
  out: usize;
  outStride: usize;
  cols: i32;
  number: f32;
  /** f32[1], a weight that stands for `number`, or f32[cols]; or 0. */
  weight: usize;
}

/**
 * A matrix and its input. A LinearsRecord is followed by `parts` of them, a GatedRecord by two, gate and up; and these by the record of
 * what makes their input, where the step has that.
 */
@unmanaged
export class LinearRecord {
  type: i32;
  weight: usize;
  /** Of experts: from one's matrix to the next. */
  matrixBytes: usize;
  rowBytes: i32;
  weightRows: i32;
  cols: i32;
  x: usize;
  xStride: i32;
  out: usize;
  outStride: i32;
  /** f32[weightRows], or 0. */
  bias: usize;
  /** f32 rows to add, or 0. */
  residual: usize;
  residualStride: usize;
  /** Weight rows of one work item, for one activation row and for several. */
  chunkOne: i32;
  chunkMany: i32;
}

export const LINEAR_BYTES: usize = 60;

/** What makes the input of products. */
export const INPUT_NORM: i32 = 1;
export const INPUT_QUANTIZE: i32 = 2;

@unmanaged
export class LinearsRecord extends OpRecord {
  /** INPUT_NORM: a NormRecord is there; INPUT_QUANTIZE: a RowRecord; 0: a step before made it. */
  input: i32;
  parts: i32;
}

@unmanaged
export class GatedRecord extends OpRecord {
  /** As a LinearsRecord has it. */
  input: i32;
  /** Int8 activations of the result, or 0. */
  codes: usize;
  codesStride: usize;
  /** The function of the gate, and its bounds, as an ActivationRecord has them. */
  fn: i32;
  limit: f32;
  offset: f32;
}

@unmanaged
export class RouteRecord extends OpRecord {
  logits: usize;
  logitsStride: usize;
  experts: i32;
  used: i32;
  /** 1: scores are sigmoids of the logits; 0: their softmax. */
  isSigmoid: i32;
  /** f32[experts], added for the choice alone; or 0. */
  bias: usize;
  /** 1: the weights of those chosen are divided by their sum and `eps`. */
  normalise: i32;
  eps: f32;
  scale: f32;
  /** f32[experts], or 0. */
  expertScale: usize;
  out: usize;
  outStride: usize;
}

/** Products with matrices of experts. `parts` LinearRecords follow, whose weights and biases are those of the first expert. */
@unmanaged
export class ExpertsRecord extends OpRecord {
  /** f32[rows, 2 * used]: shares, then numbers of experts. */
  routes: usize;
  routesStride: usize;
  experts: i32;
  used: i32;
  /** Bytes from a row's input of one of its experts to that of the next; 0: they have the same. */
  eachBytes: usize;
  parts: i32;
  /** Of two parts, as a GatedRecord has them. */
  fn: i32;
  limit: f32;
  offset: f32;
  /** f32 rows to add to a sum over experts besides the part's residual, or 0. */
  other: usize;
  otherStride: usize;
}

/** What happens to a head before it is used: norm, then rotation. */
@unmanaged
export class HeadRecord {
  /** 1: there is a norm. */
  norm: i32;
  /** f32[headDim], or 0: a gain of 1. */
  gain: usize;
  eps: f32;
  /** f32[rows, 2 * half], or 0: no rotation. */
  table: usize;
  half: i32;
}

const HEAD_BYTES: usize = 20;

/** The HeadRecord of index `index` of those that begin at `first`. */
// @ts-ignore: decorator
@inline
export function headAt(first: usize, index: i32): HeadRecord {
  return changetype<HeadRecord>(first + <usize>index * HEAD_BYTES);
}

// @ts-ignore: decorator
@inline
export function isPrepared(head: HeadRecord): bool {
  return head.norm != 0 || head.table != 0;
}

/** A HeadRecord follows. */
@unmanaged
export class RotateRecord extends OpRecord {
  x: usize;
  xStride: usize;
  out: usize;
  outStride: usize;
  heads: i32;
  headDim: i32;
}

/** Three HeadRecords follow: of queries, keys and values. */
@unmanaged
export class AttentionRecord extends OpRecord {
  heads: i32;
  kvHeads: i32;
  keyDim: i32;
  keyWidth: i32;
  valueDim: i32;
  valueWidth: i32;
  scale: f32;
  /** Types of keys and values (kv-element.ts), and bytes of one head's key and value at one position. */
  keyType: i32;
  keyBytes: i32;
  valueType: i32;
  valueBytes: i32;
  pageTokens: i32;
  stateOffset: usize;
  valueOffset: usize;
  q: usize;
  qStride: usize;
  k: usize;
  kStride: usize;
  v: usize;
  vStride: usize;
  out: usize;
  outStride: usize;
  /** Int8 activations of the result, or 0. */
  codes: usize;
  codesStride: usize;
  partials: usize;
  /** How many positions before its own, and after it, a row sees. */
  before: i32;
  after: i32;
  /** A score s becomes softcap * tanh(s / softcap); 0: it stays. */
  softcap: f32;
  /** f32[heads], scores without values; or 0. */
  sinks: usize;
  /** The query at position p is multiplied by 1 + beta * ln(1 + floor(p / length)); beta 0: by 1. */
  beta: f32;
  length: f32;
  /** How many positions rows lie behind those of their tiles. */
  ahead: i32;
  /** Bytes from the page tables of the first group to those of the state's; from the pages and places of rows to those that far behind. */
  pagesOffset: usize;
  rowPagesOffset: usize;
  rowSlotsOffset: usize;
}

@unmanaged
export class FullAttentionRecord extends OpRecord {
  heads: i32;
  kvHeads: i32;
  keyDim: i32;
  valueDim: i32;
  scale: f32;
  /** Index of the dim that counts the keys. */
  keys: i32;
  q: usize;
  qStride: usize;
  k: usize;
  kStride: usize;
  v: usize;
  vStride: usize;
  out: usize;
  outStride: usize;
}

@unmanaged
export class RelativeAttentionRecord extends OpRecord {
  heads: i32;
  headDim: i32;
  scale: f32;
  /** f32[heads, headDim] each. */
  contentBias: usize;
  positionBias: usize;
  q: usize;
  qStride: usize;
  k: usize;
  kStride: usize;
  v: usize;
  vStride: usize;
  /** Rows of distances, from the farthest behind. */
  p: usize;
  pStride: usize;
  out: usize;
  outStride: usize;
}

@unmanaged
export class ShortConvolutionRecord extends OpRecord {
  channels: i32;
  width: i32;
  /** f32[channels, width]. */
  weight: usize;
  /** f32[channels], or 0. */
  bias: usize;
  /** Bytes from the beginning of a slot to f32[width - 1, channels]. */
  stateOffset: usize;
  /** 1: its input is the columns of x from `before` on times those from `inner` on, and its result is times those from `after` on. */
  gated: i32;
  before: i32;
  inner: i32;
  after: i32;
  /** The function of the result, or -1. */
  fn: i32;
  x: usize;
  xStride: usize;
  out: usize;
  outStride: usize;
}

@unmanaged
export class DeltaRuleRecord extends OpRecord {
  keyHeads: i32;
  valueHeads: i32;
  keyDim: i32;
  valueDim: i32;
  /** 1: value head h has key head h % keyHeads; 0: h / (valueHeads / keyHeads). */
  tiled: i32;
  /** f32[valueHeads]. */
  decay: usize;
  dtBias: usize;
  /** Bytes from the beginning of a slot to f32[valueHeads, valueDim, keyDim]. */
  stateOffset: usize;
  qkv: usize;
  qkvStride: usize;
  a: usize;
  aStride: usize;
  b: usize;
  bStride: usize;
  out: usize;
  outStride: usize;
  /** Values that gate the norm of each head by a function; or 0: y as it is. */
  z: usize;
  zStride: usize;
  fn: i32;
  /** f32[valueDim], or 0: a gain of 1. */
  gain: usize;
  eps: f32;
}

/** Looks for NaN and infinity in `blocks` blocks of a weight; the index of the lowest one goes to `found` (u32, at first all ones). */
@unmanaged
export class CheckRecord extends OpRecord {
  type: i32;
  weight: usize;
  blocks: i32;
  found: usize;
}

/**
 * Looks for NaN and infinity in matrices of quantised weights, `matrixBytes` apart, and packs them (`packed-rows.ts`). `found` is as in a
 * CheckRecord, its blocks counted through all matrices.
 */
@unmanaged
export class PackRecord extends OpRecord {
  type: i32;
  /** Of the first matrix, behind its head. */
  weight: usize;
  matrixBytes: usize;
  matrices: i32;
  rows: i32;
  rowBytes: usize;
  /** Blocks of a row. */
  rowBlocks: i32;
  found: usize;
}

@unmanaged
export class ChooseRecord extends OpRecord {
  logits: usize;
  logitsStride: usize;
  count: i32;
  /** Of each row a temperature, k of top-k and a random number. */
  settings: usize;
  settingsStride: usize;
  /** i32[rows], or 0: where one is `end`, so is the result. */
  before: usize;
  beforeStride: usize;
  end: i32;
  /** i32[rows]. */
  out: usize;
  outStride: usize;
}
