/** The streaming softmax of a row: scores of a tile of keys become weights (Milakov and Gimelshein 2018). */
import { exp1, inlineExp4, sumOfEach } from './float-math';

/** Keys of a tile. */
export const KEYS: i32 = 64;

/** Makes weights of the scores of a tile, 0 past `count` up to a multiple of 4. @returns what the row's sum so far is to be scaled by */
export function weighTile(scores: usize, count: i32, sums: usize): f32 {
  const end = scores + <usize>(((count + 3) & ~3) * 4);
  for (let at = scores + <usize>(count * 4); at < end; at += 4) store<f32>(at, -Infinity);
  const before = load<f32>(sums);
  let most = f32x4.splat(before);
  for (let at = scores; at < end; at += 16) most = f32x4.pmax(most, v128.load(at));
  const best = max(
    max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
    max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
  );
  const bests = f32x4.splat(best);
  let total = f32x4.splat(0);
  for (let at = scores; at < end; at += 16) {
    const weights = inlineExp4(f32x4.sub(v128.load(at), bests));
    v128.store(at, weights);
    total = f32x4.add(total, weights);
  }
  const kept = exp1(before - best);
  store<f32>(sums, best);
  store<f32>(sums, load<f32>(sums, 4) * kept + f32x4.extract_lane(sumOfEach(total, total, total, total), 0), 4);
  return kept;
}
