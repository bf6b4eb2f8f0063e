/** What decoding a window takes and gives. */
import type { CancelSignal } from '../../../tensor/platform.ts';
import type { HeardSound, SoundDecoder } from '../../sound-decoder.ts';
import type { AnswerFigures } from './answer-quality.ts';
import type { BeamSettings } from './beam-search.ts';
import type { WhisperRules } from './whisper-rules.ts';
import type { WhisperTokens } from './whisper-tokens.ts';

export interface WindowAnswer extends AnswerFigures {
  /** Without the end. */
  readonly ids: readonly number[];
  readonly temperature: number;
}

export type DecodedWindow = Omit<WindowAnswer, 'temperature' | 'compressionRatio'>;

export interface WindowRequest {
  readonly decoder: Pick<SoundDecoder, 'logits' | 'branch' | 'vocabSize' | 'contextLength'>;
  readonly sound: HeardSound;
  readonly prompt: readonly number[];
  readonly rules: WhisperRules;
  readonly tokens: WhisperTokens;
  readonly textOf: (ids: readonly number[]) => string;
  /** Tried in turn. Default `TEMPERATURES`. */
  readonly temperatures?: readonly number[] | undefined;
  /** How temperature 0 is decoded, where not by the likeliest token alone. */
  readonly beams?: BeamSettings | undefined;
  readonly signal?: CancelSignal | undefined;
}
