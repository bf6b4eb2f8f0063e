/** A talker that hears and tells what was said, and answers nothing. */
import { InputError } from '../../../tensor/errors.ts';
import { checkOptionNames } from '../../../tensor/option-names.ts';
import type { NamesOf } from '../../../tensor/option-names.ts';
import type { SpeechModel } from '../../speech/speech-model.ts';
import type { VoiceDetector } from '../../speech/voice-detector.ts';
import { createTalker } from '../live/create-talker.ts';
import { checkSessionSettings } from '../live/session-settings.ts';
import type { Talker, TalkerInfo } from '../live/talker.ts';
import { textOfPart, TURN_SECONDS } from './hear-part.ts';

export interface ListenerParts {
  /** Hears; it need not listen. */
  readonly ears: SpeechModel;
  /** Tells when somebody speaks. */
  readonly detector: VoiceDetector;
}

const PART_NAMES: NamesOf<ListenerParts> = { ears: true, detector: true };

/** A talker of one model that hears, which stays its owner's: turns and their texts are events, and answers are refused. */
export function createListener(parts: ListenerParts): Talker {
  checkOptionNames(parts, PART_NAMES, 'createListener');
  const { ears, detector } = parts;
  const info: TalkerInfo = {
    name: ears.info.architecture,
    kind: 'cascade',
    sampleRate: 24_000,
    abilities: {
      hears: true, speaks: false, voice: false, voices: [], tools: false, transcripts: true, roles: ['user', 'assistant', 'system'],
      textAlone: true, priority: false, sampling: [],
    },
    warnings: ears.info.warnings,
  };
  return createTalker({
    info,
    mostTurnSeconds: TURN_SECONDS,
    recognise: (part, signal) => textOfPart(ears, part, signal),
    check: (settings) => checkSessionSettings(settings, { info, mostTurnSeconds: TURN_SECONDS }),
    open: () => ({
      // oxlint-disable-next-line require-yield
      async *answer() {
        throw new InputError(`${info.name} hears, and answers nothing.`);
      },
      keepHeard: () => '',
      close: () => {},
    }),
    // The model is its owner's.
    dispose: async () => {},
  }, detector);
}
