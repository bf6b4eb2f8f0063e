/** A loaded model: a checkpoint's decoder on an executor, and the calls that run on it. */
import { TALK } from '../models/lfm2-audio-graphs.ts';
import type { Executor, Program } from '../graph/executor.ts';
import type { KvChoice } from '../graph/kv-types.ts';
import type { PerLayerTable } from '../models/architecture.ts';
import type { QuantizeType } from '../models/quantize-weights.ts';
import { openDecoder } from '../models/open-decoder.ts';
import { isParakeet } from '../models/parakeet.ts';
import { visionSizes } from '../models/vision.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { InputError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { checkInteger, checkOptionNames } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { ImageDecoder } from '../image/image-decoder.ts';
import type { ImageLimits } from './images/image-cache.ts';
import { openSeeing } from './images/open-seeing.ts';
import type { Seeing } from './images/see-messages.ts';
import type { Pictures } from './pictures.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { OnProgress } from '../tensor/progress.ts';
import type { Model } from './api.ts';
import { resolveCallLimits } from './admission.ts';
import type { CallLimits } from './admission.ts';
import type { ChatFiles } from './chat-file.ts';
import { absentTokenizer } from '../text/absent-tokenizer.ts';
import { withFittingAdvice } from './fitting-type.ts';
import { answeringCalls, stateCalls } from './model-calls.ts';
import { createModelCore } from './model-core.ts';
import type { ModelCore } from './model-core.ts';
import { modelInfo } from './model-info.ts';
import type { ModelParts } from './model-parts.ts';
import { kvLayoutOf, refusedModel, resolveContextLength, resolveRoom, resolveSequences } from './model-room.ts';
import type { ModelRoom } from './model-room.ts';
import { READY_NAMES } from './option-names.ts';
import { promptHint } from './prompt-hint.ts';
import { openTextSide } from './text-side.ts';

export interface ModelOptions extends CallLimits {
  readonly executor: Executor;
  /** Most tokens of prompt and answer together. Default: the model's own, at most 8,192. */
  readonly contextLength?: number | undefined;
  /**
   * Type of keys and values: `f16`, `q8` (9 bits a value at most widths), `q4` (5 bits), `f32`; or of keys and of values, as in `q8/q4`.
   * Default: f16 where any weight is quantised, else f32.
   */
  readonly kvType?: KvChoice | undefined;
  /**
   * Most bytes of the device for snapshots of what layers without pages (short convolutions, recurrences) leave of a conversation, so that
   * later turns and edited histories prefill only what is new; models without such layers need none. 0 keeps none. Default 512 MB.
   */
  readonly snapshotBytes?: number | undefined;
  /**
   * Most bytes of the device for weights and for the states of all sequences together; work memory comes on top. `contextLength` is for
   * each sequence. Refused where it does not hold the weights and one sequence. Default: what the device may take, or all that it gives.
   */
  readonly memoryBudget?: number | undefined;
  /**
   * Bytes that the model may take beyond what it has, as it is now: asked before memory for states is made, by who runs several models in
   * one memory. Default: as many as `memoryBudget` leaves.
   */
  readonly spareMemory?: (() => number) | undefined;
  /** What chats are saved to and loaded from by name. Default: nothing, so that they are bytes. */
  readonly chatFiles?: ChatFiles | undefined;
  /** Of a model that sees: limits of images in conversations, and how many of them are kept. */
  readonly images?: ImageLimits | undefined;
  /** What reads image files, for a model that sees. Default: none, so that conversations have pixels alone. */
  readonly imageDecoder?: ImageDecoder | undefined;
  /**
   * Called once with a sentence where `generate` is given a `prompt` though the model has a chat template, which is rarely meant. Default:
   * nobody is told.
   */
  readonly onHint?: ((hint: string) => void) | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface CreateModelOptions extends ModelOptions {
  /** Taken over: closed when its weights are loaded, or when that fails; where the host reads a table of it, when the model is disposed. */
  readonly checkpoint: Checkpoint;
  /**
   * Where a model's table of embeddings for each layer is (Gemma 4's small ones): `host` leaves it in the file, which stays open, and reads
   * rows for each step: less memory of the device, and no many tokens per submit. Refused for a model without one. Default `device`.
   */
  readonly perLayerTable?: PerLayerTable | undefined;
  /**
   * Of a model that sees: most patches of a picture, for which memory is taken; images of conversations are made no larger, and not cut
   * into tiles where one would be. Default: those of its tiles; of a family without tiles
   * 12,288 on a GPU (2,048 x 1,536 pixels in patches of 16 x 16), 4,096 elsewhere.
   */
  readonly mostPatches?: number | undefined;
  /**
   * Weights of floats (f32, f16, bf16) are quantised while they are loaded, as `ingot convert --type` would write them: less memory, and
   * faster. Refused for weights that are quantised already. Default: as they are.
   */
  readonly quantize?: QuantizeType | undefined;
}

const CREATE_NAMES: NamesOf<Omit<CreateModelOptions, 'checkpoint'>> = {
  executor: true, contextLength: true, kvType: true, snapshotBytes: true, memoryBudget: true, spareMemory: true, perLayerTable: true,
  quantize: true, mostPatches: true,
  maxConcurrent: true, queueLimit: true, queueTimeoutMs: true, chatFiles: true, images: true, imageDecoder: true, onHint: true,
  signal: true, onProgress: true,
};

/** Most patches of a picture where a tower's products take the time of the host. */
const PATCHES_OF_HOST = 4096;

function nameOf(checkpoint: Checkpoint): string {
  const name = checkpoint.metadata.get('general.name');
  return typeof name === 'string' && name !== '' ? name : checkpoint.name;
}

/**
 * Reads a model from its files and loads it on an executor.
 * @throws FormatError for a damaged or unsupported model; InputError for a contextLength beyond the model's; CapacityError
 * where the executor cannot hold it; the signal's reason when it aborts. Everything is freed then.
 */
export async function createModel({ checkpoint, ...options }: CreateModelOptions): Promise<Model> {
  let staysOpen = false;
  try {
    checkOptionNames(options, CREATE_NAMES, 'createModel');
    checkOperation(options);
    checkInteger('mostPatches', options.mostPatches, { min: 1, max: 2 ** 20 });
    const decoder = await openDecoder(checkpoint, {
      signal: options.signal,
      contextLength: (ofModel) => resolveContextLength(options.contextLength, ofModel),
      perLayerTable: options.perLayerTable,
      quantize: options.quantize,
      mostPatches: options.mostPatches,
      usualPatches: options.executor.kind === 'gpu' ? undefined : PATCHES_OF_HOST,
    });
    if (options.mostPatches !== undefined && decoder.vision === undefined)
      throw new InputError(`mostPatches is for a model that sees; this one (${decoder.model.name}) has no tower: leave it out.`);
    options.signal?.throwIfAborted();
    const text = await openTextSide(checkpoint);
    const release = decoder.hostTable && (() => checkpoint.close());
    const parts: ModelParts = { name: nameOf(checkpoint), sizeBytes: checkpoint.sizeBytes, decoder, text, release };
    const model = await createModelFromParts(parts, options);
    staysOpen = release !== undefined;
    return model;
  } finally {
    if (!staysOpen) await checkpoint.close();
  }
}

/**
 * Loads a decoder's weights on an executor. Frees the program where anything fails.
 * @throws InputError for a model that hears, whose tokens are of a sound
 */
export async function createModelFromParts(parts: ModelParts, options: ModelOptions): Promise<Model> {
  checkAnswersText(parts);
  const { text, decoder } = parts;
  const hint = promptHint(text, options.onHint);
  const { core, seeing, ...loaded } = await loadCore(parts, options);
  const info = modelInfo({ parts, executor: options.executor, core, ...loaded });
  const host = { core, text, seeing, model: info, files: options.chatFiles };
  return {
    info,
    vision: decoder.vision?.info,
    tokenizer: text.tokenizer ?? absentTokenizer(),
    ...answeringCalls(decoder.model, host, hint),
    ...stateCalls(decoder.model, host, info.embedding),
    async ready(waiting = {}) {
      checkOptionNames(waiting, READY_NAMES, 'ready');
      await core.prepare(waiting.signal);
    },
    dispose: () => core.close(),
    [Symbol.asyncDispose]: () => core.close(),
  };
}

/** @throws InputError for a model that hears */
function checkAnswersText({ name, decoder: { model, config } }: ModelParts): void {
  if (model.graphs.has(TALK.vocoder.graph))
    throw new InputError(`${name} (${model.name}) hears and speaks: it is for loadTalkModel, or "ingot talk".`);
  if (model.listener !== undefined || isParakeet(config.architecture))
    throw new InputError(`${name} (${model.name}) hears speech and answers no text: use transcribe.`, { modelKind: 'speech' });
}

interface LoadedCore extends Pick<ModelRoom, 'contextLength' | 'kvTypes'> {
  readonly program: Program;
  readonly core: ModelCore;
  readonly seeing: Seeing | undefined;
}

/** Finds room for the model, and loads it there. */
async function loadCore({ decoder, release }: ModelParts, options: ModelOptions): Promise<LoadedCore> {
  const { executor, signal, onProgress, spareMemory } = options;
  const { model, weights, config, vision, hostTable } = decoder;
  const limits = resolveCallLimits(options);
  const { contextLength, kvTypes, causal, maxRows, snapshots } = resolveRoom(decoder, options);
  const layout = kvLayoutOf(contextLength, kvTypes);
  const room = { decoder, kv: layout, rows: maxRows, snapshots, maxConcurrent: limits.maxConcurrent };
  const kv = { ...layout, sequences: resolveSequences(options.memoryBudget, executor.memoryBytes, room) };
  const sizes = { rows: maxRows, ...(vision && visionSizes(vision)) };
  const idOf: Pictures['idOf'] = (picture) => (core.pictures as Pictures).idOf(picture);
  const seeing = openSeeing({ vision: vision?.info, idOf, limits: options.images, decoder: options.imageDecoder });
  const toLoad = { model, weights, kv, sizes, snapshots, signal, onProgress };
  const program = await withFittingAdvice(() => refusedModel(room), () => executor.load(toLoad));
  const core = createModelCore({
    program, vocabSize: config.vocabSize, contextLength, modelContextLength: config.contextLength, maxRows, causal,
    hasFixedPace: executor.prefillRows !== undefined, kv, snapshots, hostTable, vision, limits, spareMemory, release,
  });
  return { program, core, seeing, contextLength, kvTypes };
}
