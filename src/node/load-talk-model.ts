/** A model that is talked with, from a path or URL. */
import type { MemoryNeeds } from '../engine/memory-needs.ts';
import { checkTalkRoom, openTalkModel, talkRoom } from '../engine/talk/open-talk-model.ts';
import type { TalkRoom } from '../engine/talk/open-talk-model.ts';
import type { TalkModel } from '../engine/talk/talk-model.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { QuantizeType } from '../models/quantize-weights.ts';
import { checkOptionNames } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { OnProgress } from '../tensor/progress.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { openExecutor } from './load-model.ts';
import type { DeviceChoice } from './device-choice.ts';
import { tokenizerOfModel } from './load-tokenizer.ts';
import { locate } from './open-path.ts';

export interface LoadTalkModelOptions extends TalkRoom {
  /** As `loadModel`'s. Default `auto`. */
  readonly device?: DeviceChoice | undefined;
  /** As `loadModel`'s. */
  readonly threads?: number | undefined;
  /** As `loadModel`'s. */
  readonly quantize?: QuantizeType | undefined;
  /** Path of a tokenizer, or one that is loaded, for a model whose files hold none. */
  readonly tokenizer?: string | Tokenizer | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

const LOAD_NAMES: NamesOf<LoadTalkModelOptions> = {
  device: true, threads: true, quantize: true, contextLength: true, mostSeconds: true, tokenizer: true, signal: true, onProgress: true,
};

/**
 * Loads LFM2.5-Audio: its folder as Liquid AI publishes it, with `audio_detokenizer` in it, or the GGUF file that `convert` makes of that.
 * Call its `dispose()` when done.
 * @throws as `loadModel`; InputError also for a model of another kind
 */
export async function loadTalkModel(pathOrUrl: string, options: LoadTalkModelOptions = {}): Promise<TalkModel> {
  checkOptionNames(options, LOAD_NAMES, 'loadTalkModel');
  checkOperation(options);
  checkTalkRoom(options);
  const { quantize, contextLength, mostSeconds, signal, onProgress } = options;
  const executor = await openExecutor(options);
  const checkpoint = await openCheckpoint(await locate(pathOrUrl, { signal, onProgress }), { signal });
  try {
    const openTokenizer = () => tokenizerOfModel(checkpoint, options);
    return await openTalkModel({ checkpoint, executor, openTokenizer, quantize, contextLength, mostSeconds, signal, onProgress });
  } finally {
    await checkpoint.close();
  }
}

/** What a model that hears and speaks takes with one conversation, by its headers; undefined for another model. Reads headers only. */
export async function talkMemoryNeeds(
  pathOrUrl: string,
  { quantize, contextLength, signal, onProgress }: Omit<LoadTalkModelOptions, 'mostSeconds' | 'tokenizer'> = {},
): Promise<MemoryNeeds | undefined> {
  const checkpoint = await openCheckpoint(await locate(pathOrUrl, { signal, onProgress }), { signal });
  try {
    const room = await talkRoom(checkpoint, { quantize, contextLength, signal });
    return room && { ...room, contextIn: (there) => (room.bytes <= there ? room.contextLength : 0) };
  } finally {
    await checkpoint.close();
  }
}
