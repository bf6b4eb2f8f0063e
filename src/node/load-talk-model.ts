/** A model that is talked with, from a path or URL. */
import { createTalkEngine, talkBytes } from '../engine/talk/create-talk-engine.ts';
import { createTalkModel } from '../engine/talk/talk-model.ts';
import type { TalkModel } from '../engine/talk/talk-model.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { lfm2Audio } from '../models/lfm2-audio.ts';
import { openDecoder } from '../models/open-decoder.ts';
import type { QuantizeType } from '../models/quantize-weights.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { InputError } from '../tensor/errors.ts';
import { checkInteger, checkOptionNames } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { OnProgress } from '../tensor/progress.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { MemoryNeeds } from '../engine/memory-needs.ts';
import { openExecutor } from './load-model.ts';
import type { DeviceChoice } from './device-choice.ts';
import { tokenizerOfModel } from './load-tokenizer.ts';
import { locate } from './open-path.ts';

export interface LoadTalkModelOptions {
  /** As `loadModel`'s. Default `auto`. */
  readonly device?: DeviceChoice | undefined;
  /** As `loadModel`'s. */
  readonly threads?: number | undefined;
  /** As `loadModel`'s. */
  readonly quantize?: QuantizeType | undefined;
  /** Most positions of a conversation: 12.5 are a second of speech, heard or said. Default 8192, or what the model has. */
  readonly contextLength?: number | undefined;
  /** The longest sound of a turn: memory grows with it by about 3 MB a second. Default 60. */
  readonly mostSeconds?: number | undefined;
  /** Path of a tokenizer, or one that is loaded, for a model whose files hold none. */
  readonly tokenizer?: string | Tokenizer | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

const LOAD_NAMES: NamesOf<LoadTalkModelOptions> = {
  device: true, threads: true, quantize: true, contextLength: true, mostSeconds: true, tokenizer: true, signal: true, onProgress: true,
};

const CONTEXT = 8192;
const MOST_SECONDS = 60;

/**
 * Loads LFM2.5-Audio: its folder as Liquid AI publishes it, with `audio_detokenizer` in it, or the GGUF file that `convert` makes of that.
 * Call its `dispose()` when done.
 * @throws as `loadModel`; InputError also for a model of another kind
 */
export async function loadTalkModel(pathOrUrl: string, options: LoadTalkModelOptions = {}): Promise<TalkModel> {
  checkOptionNames(options, LOAD_NAMES, 'loadTalkModel');
  checkOperation(options);
  const { quantize, contextLength = CONTEXT, mostSeconds = MOST_SECONDS, signal, onProgress } = options;
  checkInteger('contextLength', contextLength, { min: 64 });
  checkInteger('mostSeconds', mostSeconds, { min: 1, max: 400 });
  const executor = await openExecutor(options);
  const checkpoint = await openCheckpoint(await locate(pathOrUrl, { signal, onProgress }), { signal });
  try {
    checkKind(checkpoint);
    const tokenizer = await tokenizerOfModel(checkpoint, options);
    const decoder = await openDecoder(checkpoint, { quantize, signal, contextLength: (ofModel) => Math.min(ofModel, contextLength) });
    const context = Math.min(contextLength, decoder.config.contextLength);
    const engine = await createTalkEngine({ executor, decoder, contextLength: context, mostSeconds, signal, onProgress });
    const { name, architecture } = checkpoint;
    const about = { name, architecture, device: executor.description, warnings: decoder.warnings };
    return createTalkModel({ about, engine, tokenizer, mostSeconds });
  } finally {
    await checkpoint.close();
  }
}

/** What a model that hears and speaks takes with one conversation, by its headers; undefined for another model. Reads headers only. */
export async function talkMemoryNeeds(
  pathOrUrl: string,
  { quantize, contextLength = CONTEXT, signal, onProgress }: Omit<LoadTalkModelOptions, 'mostSeconds' | 'tokenizer'> = {},
): Promise<MemoryNeeds | undefined> {
  const checkpoint = await openCheckpoint(await locate(pathOrUrl, { signal, onProgress }), { signal });
  try {
    if (!isTalk(checkpoint)) return undefined;
    const decoder = await openDecoder(checkpoint, { quantize, signal, contextLength: (ofModel) => Math.min(ofModel, contextLength) });
    const context = Math.min(contextLength, decoder.config.contextLength);
    const bytes = talkBytes(decoder, context);
    return { bytes, contextLength: context, contextIn: (there) => (bytes <= there ? context : 0) };
  } finally {
    await checkpoint.close();
  }
}

function isTalk({ architecture }: Checkpoint): boolean {
  return architecture === lfm2Audio.gguf || lfm2Audio.safetensors.includes(architecture);
}

/** @throws InputError that says what to get in its place */
function checkKind(checkpoint: Checkpoint): void {
  if (isTalk(checkpoint)) return;
  const { name, architecture, format } = checkpoint;
  const isPart = format === 'gguf' && ['lfm2', 'clip', 'mimi'].includes(architecture);
  const instead = isPart
    ? 'llama.cpp keeps LFM2-Audio in four GGUF files, which are not read together here: get the folder LiquidAI/LFM2.5-Audio-1.5B, or ' +
      'what "ingot convert" makes of it.'
    : 'Models of text are for loadModel, or "ingot run"; those of speech to text for loadSpeechModel, or "ingot transcribe".';
  throw new InputError(`${name} (${architecture}) does not hear and speak: expected LFM2.5-Audio. ${instead}`);
}
