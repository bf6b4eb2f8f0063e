/** What one piece of a turn says, by a model that hears. */
import { SILERO_RATE } from '../../../audio/silero-frames.ts';
import type { CancelSignal } from '../../../tensor/platform.ts';
import type { SoundPart } from '../../speech/sound-turns.ts';
import type { SpeechModel } from '../../speech/speech-model.ts';
import { MOST_TURN_SECONDS } from '../../speech/turn-recogniser.ts';

/** The longest piece of a turn that is heard at once; who speaks longer is heard in several. */
export const TURN_SECONDS = 20;

/** What is short enough is heard as it is; a detector would cut it again. */
export async function textOfPart(ears: SpeechModel, { samples }: SoundPart, signal: CancelSignal): Promise<string> {
  const isShort = samples.length <= MOST_TURN_SECONDS * SILERO_RATE;
  const pieceSeconds = ears.info.abilities.turns && isShort ? MOST_TURN_SECONDS : undefined;
  const { text } = await ears.transcribe({ samples, sampleRate: SILERO_RATE }, { pieceSeconds, signal });
  return text.trim();
}
