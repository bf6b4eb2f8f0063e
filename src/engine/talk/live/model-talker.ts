/** A model that hears and speaks by itself (LFM2.5-Audio) as a talker. */
import { SILERO_RATE } from '../../../audio/silero-frames.ts';
import type { VoiceDetector } from '../../speech/voice-detector.ts';
import type { TalkModel } from '../talk-model.ts';
import type { Answerer } from './answerer.ts';
import { createTalker } from './create-talker.ts';
import { modelSession } from './model-session.ts';
import { checkSessionSettings } from './session-settings.ts';
import type { Talker, TalkerInfo } from './talker.ts';

/**
 * A talker of one model, which stays its owner's. Turns go to it as sound: it tells no text of what it heard.
 * @param detector tells when somebody speaks
 */
export function createModelTalker(model: TalkModel, detector: VoiceDetector): Talker {
  const info: TalkerInfo = {
    name: model.info.architecture,
    kind: 'model',
    sampleRate: model.info.sampleRate,
    abilities: {
      hears: true, speaks: true, tools: false, transcripts: false, roles: ['user', 'assistant'], textAlone: false, voices: [],
      voice: false, priority: false, sampling: ['temperature', 'topK'],
    },
    warnings: model.info.warnings,
  };
  const { mostSeconds } = model.info;
  const answerer: Answerer = {
    info,
    mostTurnSeconds: mostSeconds,
    openSound: () => model.openSound(SILERO_RATE),
    check: (settings) => checkSessionSettings(settings, { info, mostTurnSeconds: mostSeconds }),
    open: () => modelSession(model),
    // The model is its owner's.
    dispose: async () => {},
  };
  return createTalker(answerer, detector);
}
