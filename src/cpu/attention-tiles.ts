/**
 * Cuts the attention of a step into tiles: a few rows of one sequence and the keys that they see, or more, since ops see different
 * ranges: each leaves out what is not its own. With several rows, tiles share
 * keys among rows; with one row and too few heads for the threads, the keys themselves are split and the parts merged.
 */

export interface Tile {
  readonly sequence: number;
  readonly firstRow: number;
  readonly rows: number;
  readonly firstPosition: number;
  readonly keyBegin: number;
  readonly keyEnd: number;
  /** Which partial result it makes, or -1. */
  readonly partial: number;
}

export interface Combine {
  readonly row: number;
  readonly firstPartial: number;
  readonly partials: number;
}

export interface TileShape {
  readonly threads: number;
  /** Fewest key heads of any attention: each is a work item of its own. */
  readonly kvHeads: number;
  readonly rowsPerTile: number;
  /** False where some op's rows see the keys after their own. */
  readonly causal: boolean;
}

export interface SequenceRows {
  readonly firstRow: number;
  readonly rows: number;
  readonly start: number;
}

/** Fewer keys than this are not worth a merge. */
const LEAST_SPLIT_KEYS = 256;
/** Boundaries of splits: whole tiles of the kernel. */
const SPLIT_UNIT = 32;

/** Most partial results that one step makes. */
export function mostPartials(threads: number): number {
  return 4 * threads + 4;
}

/** Parts of a single row's keys that would keep the threads busy. */
function wantedSplits(items: number, threads: number): number {
  return items < 2 * threads ? Math.ceil((2 * threads) / items) : 1;
}

/** Keys of each part of a single row's, where it has several. */
function splitSpan(keys: number, wanted: number): number | undefined {
  const splits = Math.min(wanted, Math.floor(keys / LEAST_SPLIT_KEYS));
  return splits > 1 ? Math.ceil(keys / splits / SPLIT_UNIT) * SPLIT_UNIT : undefined;
}

/**
 * How many steps of a row a sequence, each a position behind the one before, are cut as the first one is, but for the key more that the
 * last tile of each sequence has. At least one, at most `most`.
 * @param starts of the first step
 */
export function stepsAlike(starts: readonly number[], { threads, kvHeads }: TileShape, most: number): number {
  const wanted = wantedSplits(starts.length * kvHeads, threads);
  const partsOf = (keys: number, span: number | undefined) => (span === undefined ? 1 : Math.ceil(keys / span));
  const isAlike = (start: number, steps: number) => {
    const [span, later] = [splitSpan(start + 1, wanted), splitSpan(start + 1 + steps, wanted)];
    return span === later && partsOf(start + 1, span) === partsOf(start + 1 + steps, span);
  };
  let steps = 1;
  while (steps < most && starts.every((start) => isAlike(start, steps))) steps++;
  return steps;
}

export function cutTiles(sequences: readonly SequenceRows[], { threads, kvHeads, rowsPerTile, causal }: TileShape) {
  const tiles: Tile[] = [];
  const combines: Combine[] = [];
  const wanted = wantedSplits(sequences.reduce((sum, { rows }) => sum + Math.ceil(rows / rowsPerTile), 0) * kvHeads, threads);
  let partials = 0;
  sequences.forEach(({ firstRow, rows, start }, sequence) => {
    const span = rows === 1 ? splitSpan(start + 1, wanted) : undefined;
    if (span !== undefined) {
      const firstPartial = partials;
      for (let keyBegin = 0; keyBegin <= start; keyBegin += span) {
        const keyEnd = Math.min(keyBegin + span, start + 1);
        tiles.push({ sequence, firstRow, rows: 1, firstPosition: start, keyBegin, keyEnd, partial: partials++ });
      }
      combines.push({ row: firstRow, firstPartial, partials: partials - firstPartial });
      return;
    }
    for (let row = 0; row < rows; row += rowsPerTile) {
      const count = Math.min(rowsPerTile, rows - row);
      const firstPosition = start + row;
      const keyEnd = causal ? firstPosition + count : start + rows;
      tiles.push({ sequence, firstRow: firstRow + row, rows: count, firstPosition, keyBegin: 0, keyEnd, partial: -1 });
    }
  });
  // The longest first, so that no thread starts one when the others are done.
  tiles.sort((a, b) => (b.keyEnd - b.keyBegin) * b.rows - (a.keyEnd - a.keyBegin) * a.rows);
  return { tiles, combines };
}
