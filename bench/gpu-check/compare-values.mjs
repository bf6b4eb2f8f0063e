/** Differences between two computations of the same thing. */

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

/** Two computations of logits [rows, width]: the largest difference over its row's range, and how many rows choose the same token. */
export function compareRows(found, wanted, width) {
  let [worst, bitEqualRows, sameToken] = [0, 0, 0];
  const rows = rowsOf(wanted, width);
  for (const [i, row] of rows.entries()) {
    const other = found.subarray(i * width, (i + 1) * width);
    const error = relativeError(other, row);
    worst = Math.max(worst, error);
    if (error === 0) bitEqualRows++;
    if (leaderOf(other).token === leaderOf(row).token) sameToken++;
  }
  return { difference: worst, rows: rows.length, bitEqualRows, sameToken };
}

/** Whether computations that differ by at most `difference` of the range may choose different tokens after these logits. */
export function isNearTie(logits, difference) {
  const { lead, range } = leaderOf(logits);
  return lead <= 2 * difference * range;
}
