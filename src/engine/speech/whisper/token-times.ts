/**
 * When tokens were said: dynamic time warping over cross attention, as openai-whisper's timing does it (Radford et al. 2022; Sakoe and
 * Chiba 1978). Pure.
 */

/** Median of each value and its neighbours, `width` (odd) in all; ends are mirrored. A row that is too short to be mirrored stays. */
export function medianFilter(values: ArrayLike<number>, width: number): Float64Array {
  const half = (width - 1) / 2;
  const count = values.length;
  if (count <= half) return Float64Array.from(values);
  const at = (i: number): number => values[i < 0 ? -i : i >= count ? 2 * (count - 1) - i : i]!;
  return Float64Array.from({ length: count }, (_, i) => {
    const around = Float64Array.from({ length: width }, (_value, k) => at(i + k - half)).sort();
    return around[half]!;
  });
}

export interface WarpingPath {
  /** Row of each step, from 0 to the last. */
  readonly rows: readonly number[];
  readonly columns: readonly number[];
}

/** The cheapest way from the first to the last entry of costs [rows, columns] by steps right, down and both. */
export function warpingPath(costs: ArrayLike<number>, columns: number): WarpingPath {
  const rows = costs.length / columns;
  const width = columns + 1;
  const total = new Float64Array((rows + 1) * width).fill(Infinity);
  // 0: both, 1: down, 2: right.
  const steps = new Uint8Array((rows + 1) * width);
  total[0] = 0;
  for (let column = 1; column <= columns; column++) {
    for (let row = 1; row <= rows; row++) {
      const both = total[(row - 1) * width + column - 1]!;
      const down = total[(row - 1) * width + column]!;
      const right = total[row * width + column - 1]!;
      const step = both < down && both < right ? 0 : down < both && down < right ? 1 : 2;
      total[row * width + column] = costs[(row - 1) * columns + column - 1]! + [both, down, right][step]!;
      steps[row * width + column] = step;
    }
  }
  steps.fill(2, 0, width);
  for (let row = 0; row <= rows; row++) steps[row * width] = 1;
  const path: [number, number][] = [];
  for (let row = rows, column = columns; row > 0 || column > 0; ) {
    path.push([row - 1, column - 1]);
    const step = steps[row * width + column];
    if (step !== 2) row--;
    if (step !== 1) column--;
  }
  path.reverse();
  return { rows: path.map(([row]) => row), columns: path.map(([, column]) => column) };
}

export interface AttentionOfTokens {
  /** By alignment head: probabilities [tokens, positions]. */
  readonly heads: readonly ArrayLike<number>[];
  /** Positions of the sound. */
  readonly positions: number;
  /** Those that are no padding. */
  readonly frames: number;
}

/** Frames that a median is of. */
const MEDIAN_WIDTH = 7;

/**
 * First frame of each token: each head's rows normed over tokens, smoothed over time, all heads' mean, and the warping path through it.
 * @returns [tokens]
 */
export function tokenFrames({ heads, positions, frames }: AttentionOfTokens): number[] {
  const tokens = (heads[0]?.length ?? 0) / positions;
  if (tokens === 0 || frames < 1) return new Array<number>(tokens).fill(0);
  const costs = new Float64Array(tokens * frames);
  for (const head of heads) {
    const normed = normedOverTokens(cropped(head, positions, frames), tokens, frames);
    for (let token = 0; token < tokens; token++) {
      const smooth = medianFilter(normed.subarray(token * frames, (token + 1) * frames), MEDIAN_WIDTH);
      for (let frame = 0; frame < frames; frame++) costs[token * frames + frame]! -= smooth[frame]! / heads.length;
    }
  }
  const { rows, columns } = warpingPath(costs, frames);
  return rows.flatMap((row, i) => (i === 0 || row !== rows[i - 1] ? [columns[i]!] : []));
}

function cropped(head: ArrayLike<number>, positions: number, frames: number): Float64Array {
  const tokens = head.length / positions;
  return Float64Array.from({ length: tokens * frames }, (_, i) => head[Math.floor(i / frames) * positions + (i % frames)]!);
}

/** In place. */
function normedOverTokens(normed: Float64Array, tokens: number, frames: number): Float64Array {
  for (let frame = 0; frame < frames; frame++) {
    let [sum, squares] = [0, 0];
    for (let token = 0; token < tokens; token++) sum += normed[token * frames + frame]!;
    const mean = sum / tokens;
    for (let token = 0; token < tokens; token++) squares += (normed[token * frames + frame]! - mean) ** 2;
    const deviation = Math.sqrt(squares / tokens);
    for (let token = 0; token < tokens; token++)
      normed[token * frames + frame] = deviation > 0 ? (normed[token * frames + frame]! - mean) / deviation : 0;
  }
  return normed;
}
