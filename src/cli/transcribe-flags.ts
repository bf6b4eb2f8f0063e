/** What a call of `ingot transcribe` was given. */
import type { TranscribeOptions } from '../engine/speech/transcribe-options.ts';
import type { LoadSpeechModelOptions } from '../node/load-speech-model.ts';
import type { SoundInput } from './sound-input.ts';

export interface TranscribeFlags
  extends Pick<LoadSpeechModelOptions, 'device' | 'threads' | 'quantize' | 'tokenizer'>,
    Pick<TranscribeOptions, 'language' | 'prompt' | 'pieceSeconds' | 'beams' | 'patience' | 'lengthPenalty' | 'conditioned' | 'windows'>,
    Pick<SoundInput, 'damaged' | 'pcm'> {
  readonly model?: string | undefined;
  readonly txt?: boolean | undefined;
  readonly srt?: boolean | undefined;
  readonly vtt?: boolean | undefined;
  readonly json?: boolean | undefined;
  readonly words?: boolean | undefined;
  readonly outputDir?: string | undefined;
  readonly live?: boolean | undefined;
  readonly microphone?: boolean | undefined;
  readonly offline?: boolean | undefined;
}

export interface TranscribeCall extends TranscribeFlags {
  readonly signal: AbortSignal;
  readonly onInterrupt: (listener: (() => void) | undefined) => void;
}
