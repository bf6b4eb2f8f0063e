import type { RouteOp } from '../../graph/ops/route.ts';
import type { Value } from '../../graph/value.ts';
import { widthOf } from '../../graph/value.ts';
import type { RunOp } from '../op-run.ts';

/** Scores [experts] of a row's logits. */
function scoresOf(scores: RouteOp['scores'], logits: Float64Array): Float64Array {
  if (scores === 'sigmoid') return logits.map((logit) => 1 / (1 + Math.exp(-logit)));
  const greatest = Math.max(...logits);
  const parts = logits.map((logit) => Math.exp(logit - greatest));
  const sum = parts.reduce((total, part) => total + part, 0);
  return parts.map((part) => part / sum);
}

export const runRoute: RunOp<RouteOp> = ({ used, scores, selectionBias, normalise, scale, expertScale }, [input], run) => {
  const experts = widthOf(input as Value);
  const all = run.floats(input);
  const bias = selectionBias && run.decoded(selectionBias.id);
  const factors = expertScale && run.decoded(expertScale.id);
  const rows = all.length / experts;
  const out = new Float64Array(rows * 2 * used);
  for (let row = 0; row < rows; row++) {
    const logits = all.subarray(row * experts, (row + 1) * experts);
    const scored = scoresOf(scores, logits);
    // The softmax keeps the order of the logits, which tell apart what it would round to one score.
    const keys = scores === 'softmax' && bias === undefined ? logits : scored.map((score, e) => score + (bias?.[e] ?? 0));
    const chosen = Array.from(keys, (_, e) => e).sort((a, b) => keys[b]! - keys[a]! || a - b).slice(0, used);
    const sum = chosen.reduce((total, e) => total + scored[e]!, 0);
    const divisor = normalise === undefined ? 1 : sum + normalise.eps;
    chosen.forEach((e, i) => {
      out[row * 2 * used + i] = (scored[e]! / divisor) * scale * (factors?.[e] ?? 1);
      out[row * 2 * used + used + i] = e;
    });
  }
  return out;
};
