/** What Moonshine hears in turns: text without times. */
import { SILERO_RATE } from '../../audio/silero-frames.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { HeardSound, SoundDecoder } from '../sound-decoder.ts';
import type { TurnRecogniserParts } from './turn-recogniser.ts';

export interface MoonshineTurns {
  readonly decoder: SoundDecoder;
  readonly tokenizer: Tokenizer;
  /** The token that an answer follows. */
  readonly startId: number;
  readonly endIds: readonly number[];
}

/** Moonshine was trained on no more than about six tokens a second: an answer that is longer repeats itself. */
const TOKENS_PER_SECOND = 6.5;
const LEAST_TOKENS = 8;
/** What is shorter is filled up with silence: less leaves nothing after the convolutions. */
const LEAST_SAMPLES = SILERO_RATE / 10;

export function moonshineTurns({ decoder, tokenizer, startId, endIds }: MoonshineTurns): TurnRecogniserParts['hear'] {
  return async (parts, { signal, onTokens, before }) => {
    const sounds: HeardSound[] = [];
    try {
      for (const { samples } of parts) {
        signal?.throwIfAborted();
        const padded = samples.length >= LEAST_SAMPLES ? samples : new Float32Array(LEAST_SAMPLES);
        if (padded !== samples) padded.set(samples);
        sounds.push(await decoder.hear(padded, signal));
      }
      const seconds = Math.max(...parts.map(({ samples }) => samples.length)) / SILERO_RATE;
      const maxTokens = Math.max(LEAST_TOKENS, Math.ceil(seconds * TOKENS_PER_SECOND));
      const drafts = before?.tokens === undefined ? undefined : [before.tokens];
      const answers = await decoder.greedy(sounds, { prompt: [startId], endIds, maxTokens, signal, drafts });
      onTokens?.(answers.reduce((sum, { length }) => sum + length, 0));
      return answers.map((ids) => {
        const tokens = ids.filter((id) => !endIds.includes(id));
        return { text: tokenizer.decode(tokens, { skipSpecial: true }).trim(), tokens };
      });
    } finally {
      for (const sound of sounds) sound.close();
    }
  };
}
