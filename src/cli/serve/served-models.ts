/** The models of `ingot serve`: loaded when they are needed, under one budget of memory. */
import type { MemoryNeeds } from '../../engine/memory-needs.ts';
import { openExecutor } from '../../node/load-model.ts';
import type { LoadModelOptions } from '../../node/load-model.ts';
import { speechMemoryNeeds } from '../../node/load-speech-model.ts';
import { talkMemoryNeeds } from '../../node/load-talk-model.ts';
import { voiceMemoryNeeds } from '../../node/load-voice-model.ts';
import { modelLoader, speechModelLoader, talkModelLoader, voiceModelLoader } from '../../node/model-loader.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import type { ModelKind, ModelLoader, ServedModel, ServerOptions } from '../../server/api.ts';
import { messageOf } from '../exit-codes.ts';
import { createProgressDisplay } from '../progress-display.ts';
import { printable } from '../terminal.ts';
import { parseAlias } from './config.ts';
import { createDownloads } from './downloads.ts';
import type { ServeConfig, ServedPath, Settings } from './config.ts';

export interface ServedModels {
  readonly options: Pick<ServerOptions, 'models' | 'aliases' | 'pinned' | 'memoryBytes' | 'idleMs' | 'downloads'>;
  /** Those that are loaded before the server answers. */
  readonly first: readonly string[];
  /** Loads are told in a line each from now on, not by progress. */
  started(): void;
}

interface Start {
  isOver: boolean;
}

function loadOptions(settings: Settings, memoryBudget: number | undefined): Omit<LoadModelOptions, 'signal' | 'spareMemory'> {
  const { device, threads, context, snapshotBytes, perLayerTable, quantize, kvType, maxConcurrent, queueLimit, queueMs } = settings;
  return {
    ...({ device, threads, snapshotBytes, perLayerTable, quantize, kvType, maxConcurrent, queueLimit } as LoadModelOptions),
    contextLength: context as number | undefined, memoryBudget, queueTimeoutMs: queueMs as number | undefined,
  };
}

/** Whatever becomes of a load is on stderr: clients are not told what may name files. */
async function loadTold(name: string, start: Start, load: (display: OnProgress | undefined) => Promise<ServedModel>): Promise<ServedModel> {
  const display = createProgressDisplay(process.stderr);
  const begun = performance.now();
  try {
    if (!start.isOver) display.expect('load');
    const model = await load(start.isOver ? undefined : display.onProgress);
    display.clear();
    for (const warning of model.info.warnings) process.stderr.write(`ingot: warning: ${name}: ${printable(warning)}\n`);
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    if (start.isOver) process.stderr.write(`ingot: ${name} is loaded (${seconds} s)\n`);
    return model;
  } catch (error) {
    display.clear();
    if (start.isOver) process.stderr.write(`ingot: ${name} could not be loaded: ${printable(messageOf(error))}\n`);
    throw error;
  } finally {
    display.clear();
  }
}

interface KnownPath extends ServedPath {
  readonly kind: ModelKind;
}

type TextOptions = Omit<LoadModelOptions, 'signal' | 'spareMemory'>;

function loaderOf({ name, path, kind }: KnownPath, options: TextOptions, start: Start): ModelLoader {
  const { device, threads, quantize, contextLength } = options;
  const loader = (onProgress?: OnProgress) => {
    switch (kind) {
      case 'voice': return voiceModelLoader(path, { device, threads, onProgress });
      case 'speech': return speechModelLoader(path, { device, threads, quantize, onProgress });
      case 'talk': return talkModelLoader(path, { device, threads, quantize, contextLength, onProgress });
      default: return modelLoader(path, { ...options, onProgress });
    }
  };
  const { memoryNeeds } = loader();
  // All headers were read at the start, behind the downloads.
  return { kind, memoryNeeds, isHere: () => true, load: (told) => loadTold(name, start, (onProgress) => loader(onProgress).load(told)) };
}

/** Where nobody named a budget, the largest model may have what it needs, as it may alone. */
async function budgetOf(settings: Settings, needs: readonly MemoryNeeds[]): Promise<number | undefined> {
  if (settings.memory !== undefined) return settings.memory as number;
  const { memoryBytes } = await openExecutor(loadOptions(settings, undefined));
  return memoryBytes === undefined ? undefined : Math.max(memoryBytes, ...needs.map(({ bytes }) => bytes));
}

/** Files of more bytes are not downloaded: what is quantised at its load may be as many times as large as F32 is beside 4 bits. */
function mostFileBytes({ quantize }: Settings, memoryBytes: number | undefined): number | undefined {
  if (memoryBytes === undefined || !Number.isFinite(memoryBytes)) return undefined;
  return quantize === undefined ? memoryBytes : 8 * memoryBytes;
}

/** What a model is, and what it takes, by its headers. */
async function needsOf(
  path: string, options: LoadModelOptions,
): Promise<{ readonly kind: ModelKind; readonly needs: MemoryNeeds }> {
  const { quantize, contextLength, signal, onProgress } = options;
  const ofVoice = await voiceMemoryNeeds(path, { signal, onProgress });
  if (ofVoice !== undefined) return { kind: 'voice', needs: ofVoice };
  const ofTalk = await talkMemoryNeeds(path, { quantize, contextLength, signal });
  if (ofTalk !== undefined) return { kind: 'talk', needs: ofTalk };
  const ofSpeech = await speechMemoryNeeds(path, { quantize, signal });
  if (ofSpeech !== undefined) return { kind: 'speech', needs: ofSpeech };
  return { kind: 'text', needs: await modelLoader(path, options).memoryNeeds({ signal }) };
}

/** Reads all headers, so that a file that is no model is told at the start. @throws as `loadModel` */
export async function servedModels({ models, settings }: ServeConfig, signal: AbortSignal): Promise<ServedModels> {
  const { pin = [], alias = [], idleMs } = settings as {
    readonly pin?: readonly string[]; readonly alias?: readonly string[]; readonly idleMs?: number;
  };
  const needs: MemoryNeeds[] = [];
  const known: KnownPath[] = [];
  // A model of the hub that is not there yet is downloaded for its headers.
  const display = createProgressDisplay(process.stderr, { hasLines: true });
  const { onProgress } = display;
  try {
    for (const model of models) {
      const { needs: ofModel, kind } = await needsOf(model.path, { ...loadOptions(settings, undefined), signal, onProgress });
      needs.push(ofModel);
      known.push({ ...model, kind });
    }
  } finally {
    display.clear();
  }
  const memoryBytes = await budgetOf(settings, needs);
  const start: Start = { isOver: false };
  const options = loadOptions(settings, memoryBytes);
  const downloads = settings.allowDownloads !== true ? undefined : createDownloads({
    async loaderOf(name, path, stopped) {
      const { kind } = await needsOf(path, { ...options, signal: stopped });
      return loaderOf({ name, path, kind }, options, start);
    },
    mostBytes: mostFileBytes(settings, memoryBytes),
    known: new Map(known.map(({ path, name }) => [path, name])),
  });
  return {
    options: {
      models: Object.fromEntries(known.map((one) => [one.name, loaderOf(one, options, start)])),
      aliases: Object.fromEntries(alias.map(parseAlias)), pinned: pin, memoryBytes, idleMs,
      downloads,
    },
    first: pin.length > 0 ? pin : models.slice(0, 1).map(({ name }) => name),
    started: () => void (start.isOver = true),
  };
}
