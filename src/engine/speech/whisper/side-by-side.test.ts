import { describe, expect, it } from 'vitest';
import type { HeardSound } from '../../sound-decoder.ts';
import { sideBySide } from './side-by-side.ts';
import type { LaneDecoder } from './side-by-side.ts';

/** Logits of two numbers: the token, and how many rows its step had. */
function decoder() {
  const steps: number[][] = [];
  let isBusy = false;
  const alone = async <Result>(result: Result): Promise<Result> => {
    expect(isBusy).toBe(false);
    isBusy = true;
    await new Promise((resolve) => setTimeout(resolve, 1));
    isBusy = false;
    return result;
  };
  const made: LaneDecoder = {
    vocabSize: 2, contextLength: 9,
    hear: () => alone({ memory: 1, length: 0, rewind() {}, close() {} }),
    align: () => alone([]),
    branch: (sound) => sound,
    logits(all) {
      const tokens = all.flatMap(({ tokens: own, outputs }) => outputs.map((at) => own[at] as number));
      steps.push(tokens);
      if (tokens.includes(99)) return Promise.reject(new Error('no memory'));
      return alone(Float32Array.from(tokens.flatMap((token) => [token, tokens.length])));
    },
  };
  return { made, steps };
}

const say = (first: number, count: number) => async (own: LaneDecoder): Promise<number[]> => {
  const sound: HeardSound = await own.hear([]);
  const said: number[] = [];
  for (let i = 0; i < count; i++) {
    const logits = await own.logits([{ sound, tokens: [7, first + i], outputs: i === 0 ? [0, 1] : [1] }]);
    said.push(...logits);
  }
  await own.align(sound, []);
  return said;
};

describe('lanes side by side', () => {
  it('step together, each with its own rows, and go on when one is over', async () => {
    const { made, steps } = decoder();
    const found = await sideBySide(made, [say(10, 3), say(20, 1), say(30, 2)]);
    expect(steps).toEqual([[7, 10, 7, 20, 7, 30], [11, 31], [12]]);
    expect(found).toEqual([[7, 6, 10, 6, 11, 2, 12, 1], [7, 6, 20, 6], [7, 6, 30, 6, 31, 2]]);
    expect(await sideBySide(made, [])).toEqual([]);
  });

  it('fail together where a step fails, and one by one where a lane does', async () => {
    await expect(sideBySide(decoder().made, [say(10, 3), say(99, 1)])).rejects.toThrow('no memory');
    const { made, steps } = decoder();
    const failing = async (): Promise<never> => {
      throw new Error('this lane');
    };
    await expect(sideBySide(made, [say(10, 2), failing])).rejects.toThrow('this lane');
    expect(steps).toEqual([[7, 10], [11]]);
    await expect(sideBySide(made, [async (own) => own.branch(await own.hear([]))])).rejects.toThrow('no branches');
  });
});
