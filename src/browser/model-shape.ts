/** Which members of a model, and of what a model gives, are reached how from a page: the model is in a worker. */
import type { Chat, Model } from '../engine/api.ts';
import type { StreamDecoder } from '../text/stream-decoder.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { Remote, ShapeOf } from './remote/shape.ts';
import type { RunsOn } from './runs-on.ts';

const DECODER_SHAPE = { push: 'call', flush: 'call' } as const satisfies ShapeOf<StreamDecoder>;

export const TOKENIZER_SHAPE = {
  kind: 'value',
  vocabSize: 'value',
  special: 'value',
  endIds: 'value',
  addBos: 'value',
  addEos: 'value',
  limits: 'value',
  warnings: 'value',
  joining: 'value',
  encode: 'call',
  encodeSegments: 'call',
  decode: 'call',
  tokenBytes: 'call',
  vocabularyBytes: 'call',
  tokenText: 'call',
  idOf: 'call',
  isSpecial: 'call',
  streamDecoder: { opens: () => DECODER_SHAPE },
} as const satisfies ShapeOf<Tokenizer>;

export type ChatShape = {
  readonly history: 'setting';
  readonly options: 'value';
  readonly send: 'stream';
  readonly reset: 'call';
  readonly fork: { readonly opens: () => ChatShape };
  readonly toBytes: 'call';
  readonly save: 'call';
  readonly dispose: 'ends';
};

export const CHAT_SHAPE: ChatShape = {
  history: 'setting',
  options: 'value',
  send: 'stream',
  reset: 'call',
  fork: { opens: () => CHAT_SHAPE },
  toBytes: 'call',
  save: 'call',
  dispose: 'ends',
} satisfies ShapeOf<Chat>;

export const MODEL_SHAPE = {
  info: 'value',
  vision: 'value',
  tokenizer: { object: TOKENIZER_SHAPE },
  generate: 'stream',
  infill: 'stream',
  generateObject: 'call',
  runTools: 'stream',
  forward: 'call',
  createChat: { opens: () => CHAT_SHAPE },
  loadChat: { opens: () => CHAT_SHAPE },
  embed: 'call',
  rerank: 'call',
  promptIds: 'call',
  countTokens: 'call',
  ready: 'call',
  dispose: 'ends',
} as const satisfies ShapeOf<Model>;

/** A model in a worker, and where it computes. */
export type InWorker<Type> = Type & { readonly runsOn: RunsOn };

export type ModelInWorker = InWorker<Model>;

export const MODEL_IN_WORKER_SHAPE = { ...MODEL_SHAPE, runsOn: 'value' } as const satisfies ShapeOf<ModelInWorker>;

export type DisposableModel = { [Symbol.asyncDispose](): Promise<void> };

/**
 * {@link Chat} of a model in a worker: what answers at once in Node answers by a promise. `history` is as it was at the end of the last
 * call.
 */
export type BrowserChat = Remote<Chat, ChatShape> & DisposableModel;

/** {@link Tokenizer} of a model in a worker: its functions answer by promises. */
export type BrowserTokenizer = Remote<Tokenizer, typeof TOKENIZER_SHAPE>;

/**
 * {@link Model} in a worker. All is as in Node, but that functions which answer at once there (`countTokens`, `promptIds`, `createChat`,
 * those of the tokenizer and of a chat) answer by promises, and that `info` is as it was at the end of the last call.
 */
export type BrowserModel = Remote<ModelInWorker, typeof MODEL_IN_WORKER_SHAPE> & DisposableModel;
