/** A model that hears, from a path, with what it needs beside it. */
import type { MemoryNeeds } from '../engine/memory-needs.ts';
import { createSoundDecoder, soundDecoderBytes } from '../engine/sound-decoder.ts';
import { createSpeechModel } from '../engine/speech/speech-model.ts';
import type { Recogniser } from '../engine/speech/recogniser.ts';
import type { SpeechModel } from '../engine/speech/speech-model.ts';
import { checkFrontEnd } from '../engine/speech/parakeet/front-end-check.ts';
import { createFrameDecoder, frameDecoderBytes } from '../engine/speech/parakeet/frame-decoder.ts';
import { filledFrames, hearParts } from '../engine/speech/parakeet/hear-parts.ts';
import { moonshineTurns } from '../engine/speech/moonshine-turns.ts';
import { MOST_BEAMS, MOST_WINDOWS } from '../engine/speech/search-options.ts';
import { createTurnRecogniser, MOST_SOUNDS, MOST_TURN_SECONDS } from '../engine/speech/turn-recogniser.ts';
import { nonSpeechTokens } from '../engine/speech/whisper/non-speech-tokens.ts';
import { createWhisperRecogniser } from '../engine/speech/whisper/whisper-recogniser.ts';
import type { WhisperRules } from '../engine/speech/whisper/whisper-rules.ts';
import { whisperTokens } from '../engine/speech/whisper/whisper-tokens.ts';
import type { WhisperTokens } from '../engine/speech/whisper/whisper-tokens.ts';
import { WHISPER_BINS } from '../audio/whisper-features.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { Executor, MemoryUse } from '../graph/executor.ts';
import { openDecoder } from '../models/open-decoder.ts';
import type { DecoderModel } from '../models/open-decoder.ts';
import { isParakeet } from '../models/parakeet.ts';
import type { ParakeetConfig } from '../models/parakeet.ts';
import type { QuantizeType } from '../models/quantize-weights.ts';
import type { WhisperConfig } from '../models/whisper-config.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { metadataNumbers } from '../tensor/metadata.ts';
import { checkOptionNames } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { OnProgress } from '../tensor/progress.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { openExecutor } from './load-model.ts';
import type { DeviceChoice } from './device-choice.ts';
import { tokenizerOfModel } from './load-tokenizer.ts';
import { loadVoiceDetector } from './load-voice-detector.ts';
import { locate } from './open-path.ts';
import { bundledDetectorPath } from './package-root.ts';

export interface LoadSpeechModelOptions {
  /** As `loadModel`'s. Default `auto`. */
  readonly device?: DeviceChoice | undefined;
  /** As `loadModel`'s. */
  readonly threads?: number | undefined;
  /** As `loadModel`'s. */
  readonly quantize?: QuantizeType | undefined;
  /** Path of a tokenizer, for a model whose files hold none. */
  readonly tokenizer?: string | undefined;
  /** Path of Silero's voice detector. Default: the one that comes with the package. */
  readonly detector?: string | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

const LOAD_NAMES: NamesOf<LoadSpeechModelOptions> = {
  device: true, threads: true, quantize: true, tokenizer: true, detector: true, signal: true, onProgress: true,
};

const RATE = 16_000;

/**
 * Loads a model that hears (Moonshine and Parakeet, with the detector that cuts what they are given; Whisper). Call its `dispose()` when
 * done.
 * @throws as `loadModel`; InputError also for a model that does not hear, FormatError for one without a tokenizer where none is named
 */
export async function loadSpeechModel(pathOrUrl: string, options: LoadSpeechModelOptions = {}): Promise<SpeechModel> {
  checkOptionNames(options, LOAD_NAMES, 'loadSpeechModel');
  checkOperation(options);
  const { signal, quantize, onProgress } = options;
  const executor = await openExecutor(options);
  const checkpoint = await openCheckpoint(await locate(pathOrUrl, { signal, onProgress }), { signal });
  try {
    const tokenizer = await tokenizerOfModel(checkpoint, options);
    const opened = await openDecoder(checkpoint, { quantize, signal });
    if (!hears(checkpoint, opened)) {
      throw new InputError(
        `${checkpoint.name} (${checkpoint.architecture}) does not hear: expected a model of speech to text, as Moonshine, Whisper or ` +
          'Parakeet. Text models are for loadModel, or "ingot run".',
      );
    }
    const load = isParakeet(checkpoint.architecture) ? parakeetOf : checkpoint.architecture === 'whisper' ? whisperOf : moonshineOf;
    const { recogniser, memory } = await load({ opened, tokenizer, checkpoint, executor, options });
    const { name, architecture } = checkpoint;
    return createSpeechModel({ name, architecture, device: executor.description, memory, warnings: opened.warnings }, recogniser);
  } finally {
    await checkpoint.close();
  }
}

/** What a model that hears takes, by its headers; undefined for a model that does not hear. Reads headers only. */
export async function speechMemoryNeeds(
  pathOrUrl: string, { quantize, signal, onProgress }: Pick<LoadSpeechModelOptions, 'quantize' | 'signal' | 'onProgress'> = {},
): Promise<MemoryNeeds | undefined> {
  const checkpoint = await openCheckpoint(await locate(pathOrUrl, { signal, onProgress, reads: 'headers' }), { signal });
  try {
    const decoder = await openDecoder(checkpoint, { quantize, signal });
    if (!hears(checkpoint, decoder)) return undefined;
    const bytes = isParakeet(checkpoint.architecture)
      ? frameDecoderBytes({ decoder, ...PARAKEET_ROOM })
      // Further windows of Whisper take memory where they are heard side by side.
      : soundDecoderBytes({ decoder, ...soundRoom(checkpoint, decoder), ...(checkpoint.architecture === 'whisper' && { sounds: 1 }) });
    const { contextLength } = decoder.config;
    return { bytes, contextLength, contextIn: (there) => (bytes <= there ? contextLength : 0) };
  } finally {
    await checkpoint.close();
  }
}

/** Whether a model is one of speech to text. */
function hears({ architecture }: Checkpoint, { model }: DecoderModel): boolean {
  return model.listener !== undefined || isParakeet(architecture);
}

/** Frames of features of the longest turn, and turns that are heard together. */
const PARAKEET_ROOM = { mostFrames: filledFrames(MOST_TURN_SECONDS * RATE), sounds: MOST_SOUNDS };

/** Rows of the longest sound that is heard at once, and how many such are heard together. */
function soundRoom(
  { architecture }: Checkpoint, { config }: DecoderModel,
): { readonly mostRows: number; readonly sounds: number; readonly courses: number } {
  if (architecture === 'whisper')
    return { mostRows: 2 * (config as WhisperConfig).soundPositions, sounds: MOST_WINDOWS, courses: MOST_BEAMS };
  return { mostRows: MOST_TURN_SECONDS * RATE, sounds: MOST_SOUNDS, courses: MOST_SOUNDS };
}

interface Loaded {
  readonly recogniser: Recogniser;
  readonly memory: MemoryUse;
}

interface Opened {
  readonly opened: DecoderModel;
  readonly tokenizer: Tokenizer;
  readonly checkpoint: Checkpoint;
  readonly executor: Executor;
  readonly options: LoadSpeechModelOptions;
}

async function moonshineOf({ opened, tokenizer, checkpoint, executor, options }: Opened): Promise<Loaded> {
  const { signal, onProgress } = options;
  const decoder = await createSoundDecoder({ executor, decoder: opened, ...soundRoom(checkpoint, opened), signal, onProgress });
  try {
    const detector = await loadVoiceDetector(options.detector ?? bundledDetectorPath(), { signal });
    const recogniser = createTurnRecogniser({
      architecture: checkpoint.architecture, abilities: { languages: ['en'], words: false }, detector,
      hear: moonshineTurns({ decoder, tokenizer, ...endsOf(checkpoint, tokenizer) }),
      dispose: () => decoder.dispose(),
    });
    return { recogniser, memory: decoder.program.memory };
  } catch (error) {
    await decoder.dispose();
    throw error;
  }
}

async function parakeetOf({ opened, tokenizer, checkpoint, executor, options }: Opened): Promise<Loaded> {
  const { signal, onProgress } = options;
  checkFrontEnd(checkpoint, (opened.config as ParakeetConfig).encoder.bins);
  const decoder = await createFrameDecoder({ executor, decoder: opened, ...PARAKEET_ROOM, signal, onProgress });
  try {
    const detector = await loadVoiceDetector(options.detector ?? bundledDetectorPath(), { signal });
    const recogniser = createTurnRecogniser({
      // Which language it is a model finds out, where it knows several.
      architecture: checkpoint.architecture, abilities: { languages: [], words: true }, detector,
      hear: (parts, how) => hearParts(parts.map(({ samples }) => samples), { decoder, tokenizer, ...how }),
      dispose: () => decoder.dispose(),
    });
    return { recogniser, memory: decoder.program.memory };
  } catch (error) {
    await decoder.dispose();
    throw error;
  }
}

async function whisperOf({ opened, tokenizer, checkpoint, executor, options }: Opened): Promise<Loaded> {
  const { signal, onProgress, detector = bundledDetectorPath() } = options;
  const { melBands: bands, vocabSize } = opened.config as WhisperConfig;
  const tokens = whisperTokens(vocabSize, checkpoint.name);
  const rules = whisperRules(checkpoint, tokens, tokenizer);
  const filters = melTable(checkpoint, bands);
  const room = soundRoom(checkpoint, opened);
  const decoder = await createSoundDecoder({ executor, decoder: opened, ...room, signal, onProgress });
  const mel = { bands, rows: room.mostRows, filters };
  const openDetector = () => loadVoiceDetector(detector);
  const recogniser = createWhisperRecogniser({ decoder, tokenizer, tokens, rules, mel, openDetector });
  return { recogniser, memory: decoder.program.memory };
}

/** Timestamps begin within the first second. */
const MOST_INITIAL = 50;

/** The mel filters of a file that has its own. @throws FormatError for those of another transform */
function melTable({ metadata, name }: Checkpoint, bands: number): ArrayLike<number> | undefined {
  const table = metadataNumbers(metadata, 'whisper.mel_filters', name);
  if (table === undefined || table.length === bands * WHISPER_BINS) return table;
  throw new FormatError(`${name}: expected mel filters of ${bands} bands and ${WHISPER_BINS} bins, found ${table.length} factors in all.`);
}

/** What generation_config.json suppresses, else config.json, else what openai-whisper does. */
function whisperRules({ assets, config, name }: Checkpoint, tokens: WhisperTokens, tokenizer: Tokenizer): WhisperRules {
  const text = assets.get('generation_config.json');
  const generation = text === undefined ? {} : parseJsonObject(text, `${name}: generation_config.json`);
  const listed = (key: string): readonly number[] | undefined => {
    const value = generation[key] ?? config?.[key];
    return Array.isArray(value) ? value.filter((id) => typeof id === 'number') : undefined;
  };
  const { transcribe, translate, startOfTranscript, startOfPrevious, startOfLm, noSpeech, endOfText } = tokens;
  const specials = [transcribe, translate, startOfTranscript, startOfPrevious, startOfLm, noSpeech];
  return {
    suppressed: [...new Set([...(listed('suppress_tokens') ?? nonSpeechTokens(tokenizer)), ...specials])],
    suppressedFirst: listed('begin_suppress_tokens') ?? [...tokenizer.encode(' '), endOfText],
    timestamps: { mostInitial: MOST_INITIAL },
  };
}

/** @throws FormatError for a file that does not say which token an answer follows */
function endsOf({ name, config }: Checkpoint, { special, endIds }: Tokenizer): { readonly startId: number; readonly endIds: number[] } {
  const count = (key: string): number | undefined => {
    const value = config?.[key];
    return typeof value === 'number' ? value : undefined;
  };
  const startId = count('decoder_start_token_id') ?? special.bos;
  if (startId === undefined) throw new FormatError(`${name}: expected decoder_start_token_id, or a BOS token, found neither.`);
  const end = count('eos_token_id');
  return { startId, endIds: end === undefined ? [...endIds] : [end] };
}
