/** Differences between two computations of the same thing. */

/**
 * What compareRows may find, where both sides compute with floats, and where one rounds activations to int8: a value that another order of
 * sums tips to the next code moves all that follows. Measured for qwen3-0.6b with random weights (28 layers, 8 rows, CPU against the
 * float64 reference): difference 0.00016 and noise 0.0003 with f16 weights; 0.016 to 0.024 and 0.03 to 0.042 with int8 activations, whether
 * the reference rounds as the CPU does, in blocks of another size, or not at all. A GPU against the CPU gives as much. More rows give a
 * larger worst row.
 */
export const TOLERANCES = { floats: { difference: 2e-3, noise: 4e-3 }, int8: { difference: 5e-2, noise: 8e-2 } };

export function isWithin({ difference, noise }, tolerance) {
  return difference < tolerance.difference && noise < tolerance.noise;
}

/** Largest difference over the range of the wanted values; Infinity where a value is not a number or one is missing. */
export function relativeError(found, wanted) {
  if (found.length !== wanted.length) return Infinity;
  let [low, high, worst] = [Infinity, -Infinity, 0];
  for (let i = 0; i < wanted.length; i++) {
    low = Math.min(low, wanted[i]);
    high = Math.max(high, wanted[i]);
    const difference = Math.abs(found[i] - wanted[i]);
    worst = difference <= worst ? worst : Number.isNaN(difference) ? Infinity : difference;
  }
  return worst / (high - low);
}

/** Where two lists first part; the length of the shorter one where they do not. */
export function agreeingTokens(found, wanted) {
  const length = Math.min(found.length, wanted.length);
  for (let i = 0; i < length; i++) if (found[i] !== wanted[i]) return i;
  return length;
}

/** Rows [count, width] one by one, as views. */
export function rowsOf(values, width) {
  return Array.from({ length: values.length / width }, (_, i) => values.subarray(i * width, (i + 1) * width));
}

/** The largest value's place, its lead over the next, and the range of all. */
export function leaderOf(values) {
  let [best, low] = [0, Infinity];
  for (let i = 0; i < values.length; i++) {
    if (values[i] > values[best]) best = i;
    low = Math.min(low, values[i]);
  }
  let second = -Infinity;
  for (let i = 0; i < values.length; i++) if (i !== best) second = Math.max(second, values[i]);
  return { token: best, lead: values[best] - second, range: values[best] - low };
}

/** Root mean square of the differences, over the standard deviation of the wanted values. */
export function noiseShare(found, wanted) {
  const mean = wanted.reduce((sum, value) => sum + value, 0) / wanted.length;
  let [noise, variance] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    noise += (found[i] - wanted[i]) ** 2;
    variance += (wanted[i] - mean) ** 2;
  }
  return Math.sqrt(noise / variance);
}

/**
 * Two computations of rows [rows, width]: the largest difference over its row's range, the most noise of a row, how many rows choose the
 * same token.
 */
export function compareRows(found, wanted, width) {
  let [difference, noise, bitEqualRows, sameToken] = [0, 0, 0, 0];
  const rows = rowsOf(wanted, width);
  for (const [i, row] of rows.entries()) {
    const other = found.subarray(i * width, (i + 1) * width);
    const error = relativeError(other, row);
    difference = Math.max(difference, error);
    noise = Math.max(noise, noiseShare(other, row));
    if (error === 0) bitEqualRows++;
    if (leaderOf(other).token === leaderOf(row).token) sameToken++;
  }
  return { difference, noise, rows: rows.length, bitEqualRows, sameToken };
}

/** Whether computations that differ by at most `difference` of the range may choose different tokens after these logits. */
export function isNearTie(logits, difference) {
  const { lead, range } = leaderOf(logits);
  return lead <= 2 * difference * range;
}
