/** Where one work item of attention reads and writes, and how. One lives at the start of each thread's scratch. */
@unmanaged
export class AttentionWork {
  heads: i32;
  kvHeads: i32;
  keyDim: i32;
  /** keyDim rounded up to a multiple of 4, or of 16 for codes; the same of values. */
  keyWidth: i32;
  valueDim: i32;
  valueWidth: i32;
  scale: f32;
  keyType: i32;
  keyBytes: i32;
  valueType: i32;
  valueBytes: i32;
  pageTokens: i32;
  /** Offset of this state in a page, and from its keys to its values. */
  stateOffset: usize;
  valueOffset: usize;
  /** Query row 0 and output row 0 of the step, and bytes between rows. */
  q: usize;
  qStride: usize;
  out: usize;
  outStride: usize;
  /** [partial, heads, valueWidth + 4] f32: a weighted sum, then its maximum and its sum of weights. */
  partials: usize;
  /** Addresses of the pages of the sequence, the rows of the tile and its keys. */
  pages: usize;
  firstRow: i32;
  rows: i32;
  firstPosition: i32;
  keyBegin: i32;
  keyEnd: i32;
  partial: i32;
  kvHead: i32;
  /** How many positions before its own, and after it, a row sees. */
  before: i32;
  after: i32;
  /** What bounds scores, or 0; scores without values, f32[heads], or 0; the factor of queries by position, or beta 0. */
  softcap: f32;
  sinks: usize;
  beta: f32;
  length: f32;
  /** 1: f16 pages may hold infinity or NaN. */
  wildHalves: i32;
  /** Scratch: query vectors, sums, scores, maximum and sum of weights per vector, unpacked keys or values. */
  count: i32;
  queries: usize;
  sums: usize;
  scores: usize;
  maxima: usize;
  totals: usize;
  unpacked: usize;
  /** What weights are multiplied with, and sums of values at their end. */
  weightFactor: f32;
  sumFactor: f32;
  /** What {@link touchPage} read, which nothing else reads. */
  touched: i32;
}
