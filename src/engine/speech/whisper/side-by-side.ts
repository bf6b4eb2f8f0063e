/** Work over one decoder side by side: steps that wait go through it together. */
import type { CancelSignal } from '../../../tensor/platform.ts';
import type { SoundDecoder, SoundStep } from '../../sound-decoder.ts';
import { createTurns } from '../in-turn.ts';

export type LaneDecoder = Pick<SoundDecoder, 'hear' | 'logits' | 'branch' | 'align' | 'vocabSize' | 'contextLength'>;

interface Waiting {
  readonly steps: readonly SoundStep[];
  readonly signal: CancelSignal | undefined;
  resolve(logits: Float32Array): void;
  reject(error: unknown): void;
}

/**
 * What each lane makes, in order. A step of the decoder runs when every lane that is not over waits for one; each is given the logits of
 * its own rows. @throws what the first lane that fails does, when all are over
 */
export async function sideBySide<Result>(
  decoder: LaneDecoder, lanes: readonly ((decoder: LaneDecoder) => Promise<Result>)[],
): Promise<Result[]> {
  const inTurn = createTurns();
  let running = lanes.length;
  let waiting: Waiting[] = [];
  const stepIfAllWait = (): void => {
    if (waiting.length === 0 || waiting.length < running) return;
    const group = waiting;
    waiting = [];
    void inTurn(() => stepTogether(decoder, group));
  };
  const own: LaneDecoder = {
    vocabSize: decoder.vocabSize, contextLength: decoder.contextLength,
    hear: (sound, signal) => inTurn(() => decoder.hear(sound, signal)),
    align: (sound, tokens, signal) => inTurn(() => decoder.align(sound, tokens, signal)),
    branch(): never {
      throw new Error('a lane has no branches: their memory would be made while another lane runs');
    },
    logits: (steps, signal) => new Promise((resolve, reject) => {
      waiting.push({ steps, signal, resolve, reject });
      stepIfAllWait();
    }),
  };
  const results = await Promise.allSettled(lanes.map(async (lane) => {
    try {
      return await lane(own);
    } finally {
      running--;
      stepIfAllWait();
    }
  }));
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

async function stepTogether(decoder: LaneDecoder, group: readonly Waiting[]): Promise<void> {
  try {
    const logits = await decoder.logits(group.flatMap(({ steps }) => steps), group[0]!.signal);
    let at = 0;
    for (const { steps, resolve } of group) {
      const end = at + decoder.vocabSize * steps.reduce((sum, { outputs }) => sum + outputs.length, 0);
      resolve(logits.slice(at, end));
      at = end;
    }
  } catch (error) {
    for (const { reject } of group) reject(error);
  }
}
