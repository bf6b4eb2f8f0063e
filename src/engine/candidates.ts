/**
 * The tokens that are still in the draw, and the cuts that make them fewer. Each cut keeps the order by id and the set
 * that Hugging Face transformers' warper of the same name keeps; where scores tie at a boundary, lower ids stay
 * (top-k keeps all ties of its last place, as there). No cut allocates by the size of the vocabulary.
 */

/** Room for one draw; made once per model. */
export interface Candidates {
  count: number;
  /** Ascending. */
  readonly ids: Uint32Array;
  /** (logit - largest logit) / temperature, so at most 0. */
  readonly scores: Float64Array;
  /** exp(score), after {@link selectCandidates}. */
  readonly weights: Float64Array;
  readonly heap: Float32Array;
  /** Logits after a mask, a bias and penalties, where there are any. */
  readonly penalised: Float32Array;
}

export function createCandidates(vocabSize: number): Candidates {
  return {
    count: 0,
    ids: new Uint32Array(vocabSize),
    scores: new Float64Array(vocabSize),
    weights: new Float64Array(vocabSize),
    heap: new Float32Array(vocabSize),
    penalised: new Float32Array(vocabSize),
  };
}

/** Replaces the least of a min-heap of `size` values. */
function replaceLeast(heap: Float32Array, size: number, value: number): void {
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && (heap[child + 1] as number) < (heap[child] as number)) child++;
    if ((heap[child] as number) >= value) break;
    heap[at] = heap[child] as number;
    at = child;
  }
  heap[at] = value;
}

/** The k-th largest of `logits`, k at most their number. */
function kthLargest(logits: Float32Array, k: number, heap: Float32Array): number {
  const top = heap.subarray(0, k);
  top.set(logits.subarray(0, k));
  top.sort();
  let least = top[0] as number;
  for (let id = k; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (logit <= least) continue;
    replaceLeast(top, k, logit);
    least = top[0] as number;
  }
  return least;
}

export interface Selection {
  /** The largest logit. */
  readonly max: number;
  /** 0: all. */
  readonly topK: number;
  readonly temperature: number;
}

/** Fills the candidates with the `topK` best of `logits`, and weighs them. */
export function selectCandidates(candidates: Candidates, logits: Float32Array, { max, topK, temperature }: Selection): void {
  const { ids, scores, weights } = candidates;
  const cut = topK > 0 && topK < logits.length ? kthLargest(logits, topK, candidates.heap) : -Infinity;
  let count = 0;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (logit < cut) continue;
    const score = (logit - max) / temperature;
    ids[count] = id;
    scores[count] = score;
    weights[count++] = Math.exp(score);
  }
  candidates.count = count;
}

/** Keeps the candidates above `least`, and those at it up to the id `lastId`, in order. */
function keepFrom(candidates: Candidates, least: number, lastId: number): void {
  const { count, ids, scores, weights } = candidates;
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const score = scores[i] as number;
    if (score < least || (score === least && (ids[i] as number) > lastId)) continue;
    ids[kept] = ids[i] as number;
    scores[kept] = score;
    weights[kept++] = weights[i] as number;
  }
  candidates.count = kept;
}

const BINS_PER_NAT = 16;
const BINS = 512;

/** Bin of a score: 0 holds the best. */
function binOf(score: number): number {
  return Math.min(BINS - 1, Math.floor(-score * BINS_PER_NAT));
}

/** Index of the least likely candidate to keep, by score and then by id. */
function lastWithinTopP({ count, scores, weights }: Candidates, topP: number): number {
  const sums = new Float64Array(BINS);
  let total = 0;
  for (let i = 0; i < count; i++) {
    total += weights[i] as number;
    sums[binOf(scores[i] as number)]! += weights[i] as number;
  }
  const wanted = topP * total;
  let bin = 0;
  let before = 0;
  while (bin < BINS - 1 && before + (sums[bin] as number) < wanted) before += sums[bin++] as number;
  const crossing: number[] = [];
  for (let i = 0; i < count; i++) if (binOf(scores[i] as number) === bin) crossing.push(i);
  crossing.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
  let at = 0;
  while (at < crossing.length - 1) {
    before += weights[crossing[at] as number] as number;
    if (before >= wanted) break;
    at++;
  }
  return crossing[at] as number;
}

/**
 * Keeps the likeliest tokens while those before them hold less than `topP` of the weight; at least one.
 * Sums by bins of nearly equal score first, so that only one bin has to be sorted.
 */
export function cutTopP(candidates: Candidates, topP: number): void {
  const last = lastWithinTopP(candidates, topP);
  keepFrom(candidates, candidates.scores[last] as number, candidates.ids[last] as number);
}

/** Keeps tokens of at least `minP` times the largest weight, which is 1. */
export function cutMinP(candidates: Candidates, minP: number): void {
  keepFrom(candidates, Math.log(minP), Infinity);
}

/** The candidate at which the running sum of weights, by ascending id, first exceeds `uniform` (in [0, 1)) of the total. */
export function drawCandidate(candidates: Candidates, uniform: number): number {
  const { count, ids, weights } = candidates;
  let total = 0;
  for (let i = 0; i < count; i++) total += weights[i] as number;
  const wanted = uniform * total;
  let sum = 0;
  let last = ids[0] as number;
  for (let i = 0; i < count; i++) {
    const weight = weights[i] as number;
    if (weight === 0) continue;
    sum += weight;
    last = ids[i] as number;
    if (sum > wanted) break;
  }
  return last;
}
