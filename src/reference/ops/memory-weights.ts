import type { MemoryWeightsOp } from '../../graph/ops/memory-weights.ts';
import type { RunOp } from '../op-run.ts';

export const runMemoryWeights: RunOp<MemoryWeightsOp> = ({ heads, state, scale, taken, positions }, [qValue], run) => {
  const { heads: kvHeads, keyDim } = state;
  const q = run.floats(qValue);
  const y = new Float64Array((q.length / (heads * keyDim)) * taken.length * positions);
  let row = 0;
  for (const sequence of run.sequences) {
    const { rows, memory = 0 } = sequence;
    const read = run.stored(state, sequence);
    for (const end = row + rows; row < end; row++) {
      taken.forEach((head, index) => {
        const kvHead = Math.floor(head / (heads / kvHeads));
        const query = q.subarray((row * heads + head) * keyDim, (row * heads + head + 1) * keyDim);
        const scores = Array.from({ length: memory }, (_, position) =>
          query.reduce((dot, value, i) => dot + value * read(0, position)[kvHead * keyDim + i]!, 0) * scale);
        const highest = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - highest));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        y.set(weights.slice(0, positions).map((weight) => weight / total), (row * taken.length + index) * positions);
      });
    }
  }
  return y;
};
