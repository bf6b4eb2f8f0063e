/** Index of the largest of `count` values from `first` on, the lowest of equal ones. @throws Error where none is a number */
export function likeliestOf(values: Float32Array, first: number, count: number): number {
  let best = -1;
  for (let i = 0; i < count; i++) {
    const value = values[first + i]!;
    if (best < 0 ? value > -Infinity : value > values[first + best]!) best = i;
  }
  if (best < 0) throw new Error('The model made no logits that are numbers: its weights or the sound hold values beyond f32.');
  return best;
}
