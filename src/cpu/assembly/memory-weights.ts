/**
 * The weights of attention over a memory, without its values: all keys are scored twice, once for the softmax's maximum and sum, once
 * for each weight. A work item is one tile of rows and one head of those that are wanted.
 */
import { storeWeights } from './attention';
import { describe, setMemory, setTile } from './attention-step';
import { AttentionWork } from './attention-work';
import { hasWildHalves, scratchOf, takeItems } from './control';
import { AttentionRecord, headAt, StepRecord, TILE_BYTES, TileRecord } from './step-records';

export function runMemoryWeights(control: usize, thread: i32, op: AttentionRecord, step: StepRecord): void {
  const scratch = scratchOf(control, thread);
  const work = changetype<AttentionWork>(scratch);
  const vectors = scratch + ((offsetof<AttentionWork>() + 63) & ~63);
  // Behind the preparations of heads: how many heads there are, positions of each, the heads.
  const list = changetype<usize>(headAt(changetype<usize>(op) + offsetof<AttentionRecord>(), 3));
  const count = load<i32>(list), positions = load<i32>(list, 4);
  describe(work, op);
  work.wildHalves = hasWildHalves(control);
  const items = step.tileCount * count;
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    const index = item % count;
    const tile = changetype<TileRecord>(step.tiles + <usize>(item / count) * TILE_BYTES);
    setTile(work, tile, op);
    setMemory(work, tile, step);
    // Of tiles that share the keys of one row the first takes them all.
    if (tile.partial >= 0 && tile.keyBegin > 0) continue;
    work.partial = -1;
    storeWeights(work, load<i32>(list + <usize>((2 + index) * 4)), index, positions, vectors);
  }
}
