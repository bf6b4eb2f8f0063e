/** Which members of models that hear and speak are reached how from a page: the model is in a worker. */
import type { SpeechModel } from '../engine/speech/speech-model.ts';
import type { VoiceModel } from '../engine/speech/voice-model.ts';
import type { ComingSound } from '../engine/talk/hear-sound.ts';
import type { TalkConversation, TalkModel } from '../engine/talk/talk-model.ts';
import type { DisposableModel, InWorker } from './model-shape.ts';
import type { Remote, ShapeOf } from './remote/shape.ts';

export const SPEECH_SHAPE = {
  info: 'value',
  runsOn: 'value',
  segments: 'stream',
  listen: 'stream',
  transcribe: 'call',
  transcribeAll: 'call',
  dispose: 'ends',
} as const satisfies ShapeOf<InWorker<SpeechModel>>;

export const VOICE_SHAPE = { info: 'value', runsOn: 'value', speak: 'stream', dispose: 'ends' } as const satisfies ShapeOf<
  InWorker<VoiceModel>
>;

const CONVERSATION_SHAPE = {
  length: 'value',
  said: 'value',
  say: 'stream',
  keepHeard: 'call',
  close: 'ends',
} as const satisfies ShapeOf<TalkConversation>;

const COMING_SOUND_SHAPE = { push: 'call', end: 'ends' } as const satisfies ShapeOf<ComingSound>;

export const TALK_SHAPE = {
  info: 'value',
  runsOn: 'value',
  talk: 'stream',
  open: { opens: () => CONVERSATION_SHAPE },
  openSound: { opens: () => COMING_SOUND_SHAPE },
  cutToHeard: 'call',
  dispose: 'ends',
} as const satisfies ShapeOf<InWorker<TalkModel>>;

/** {@link SpeechModel} in a worker: sounds that come are asked of the page, piece by piece. */
export type BrowserSpeechModel = Remote<InWorker<SpeechModel>, typeof SPEECH_SHAPE> & DisposableModel;

/** {@link VoiceModel} in a worker. */
export type BrowserVoiceModel = Remote<InWorker<VoiceModel>, typeof VOICE_SHAPE> & DisposableModel;

/** {@link TalkModel} in a worker: `open`, `openSound` and `cutToHeard` answer by promises, as what they open does. */
export type BrowserTalkModel = Remote<InWorker<TalkModel>, typeof TALK_SHAPE> & DisposableModel;
