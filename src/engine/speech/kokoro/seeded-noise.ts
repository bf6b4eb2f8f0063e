/** Gaussian noise that depends on a seed and a place alone. */
import { philox4x32 } from '../../philox.ts';

const WORDS = 2 ** 32;

/**
 * Numbers of mean 0 and the given deviation, of sample t (Box and Muller 1958, of two words of Philox for each two samples).
 * @param seed a whole number below 2^53
 */
export function seededNoise(seed: number, deviation: number): (t: number) => number {
  const key: [number, number] = [seed >>> 0, Math.floor(seed / WORDS) >>> 0];
  let block = -1;
  const held = new Float64Array(4);
  return (t) => {
    const wanted = Math.floor(t / 4);
    if (wanted !== block) {
      block = wanted;
      const words = philox4x32([block >>> 0, Math.floor(block / WORDS) >>> 0, 0, 1], key);
      for (let pair = 0; pair < 4; pair += 2) {
        // Never the logarithm of 0.
        const length = deviation * Math.sqrt(-2 * Math.log((words[pair]! + 0.5) / WORDS));
        const angle = (2 * Math.PI * words[pair + 1]!) / WORDS;
        held[pair] = length * Math.cos(angle);
        held[pair + 1] = length * Math.sin(angle);
      }
    }
    return held[t % 4]!;
  };
}
