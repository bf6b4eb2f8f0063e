import { CHOICE_SETTINGS } from '../../graph/ops/choose.ts';
import type { ChooseOp } from '../../graph/ops/choose.ts';
import { widthOf } from '../../graph/value.ts';
import type { Value } from '../../graph/value.ts';
import type { RunOp } from '../op-run.ts';

export const runChoose: RunOp<ChooseOp> = ({ end, nth }, [logits, settings, before], run) => {
  const width = widthOf(logits as Value);
  const x = run.floats(logits);
  const numbers = run.floats(settings);
  const each = widthOf(settings as Value);
  const earlier = end === undefined ? undefined : run.ints(before);
  return Float64Array.from({ length: x.length / width }, (_, row) => {
    if (earlier?.[row] === end && end !== undefined) return end;
    const [temperature, topK, random] = numbers.subarray(row * each + nth * CHOICE_SETTINGS) as unknown as number[];
    const own = x.subarray(row * width, (row + 1) * width).map((value) => (Number.isNaN(value) ? -Infinity : value));
    return chosen(own, { temperature: temperature!, topK: topK!, random: random! });
  });
};

interface Choice {
  readonly temperature: number;
  readonly topK: number;
  readonly random: number;
}

function chosen(logits: Float64Array, { temperature, topK, random }: Choice): number {
  const greatest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  if (temperature <= 0 || greatest === -Infinity) return logits.indexOf(greatest);
  const least = topK >= 1 && topK < logits.length ? Float64Array.from(logits).sort()[logits.length - topK]! : -Infinity;
  const shares = logits.map((value) => (value >= least ? Math.exp((value - greatest) / temperature) : 0));
  const wanted = random * shares.reduce((sum, share) => sum + share, 0);
  let sum = 0;
  const index = shares.findIndex((share) => (sum += share) > wanted);
  return index >= 0 ? index : shares.findLastIndex((share) => share > 0);
}
