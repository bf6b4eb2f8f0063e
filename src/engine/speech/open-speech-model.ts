/** A model that hears, of its files and what it needs beside them. */
import { WHISPER_BINS } from '../../audio/whisper-features.ts';
import type { Executor, MemoryUse } from '../../graph/executor.ts';
import { openDecoder } from '../../models/open-decoder.ts';
import type { DecoderModel } from '../../models/open-decoder.ts';
import { isParakeet } from '../../models/parakeet.ts';
import type { ParakeetConfig } from '../../models/parakeet.ts';
import type { QuantizeType } from '../../models/quantize-weights.ts';
import type { WhisperConfig } from '../../models/whisper-config.ts';
import type { Checkpoint } from '../../tensor/checkpoint.ts';
import { FormatError, InputError } from '../../tensor/errors.ts';
import { metadataNumbers } from '../../tensor/metadata.ts';
import { parseJsonObject } from '../../tensor/parse-json.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { createSoundDecoder, soundDecoderBytes } from '../sound-decoder.ts';
import { moonshineTurns } from './moonshine-turns.ts';
import { checkFrontEnd } from './parakeet/front-end-check.ts';
import { createFrameDecoder, frameDecoderBytes } from './parakeet/frame-decoder.ts';
import { filledFrames, hearParts } from './parakeet/hear-parts.ts';
import type { Recogniser } from './recogniser.ts';
import { MOST_BEAMS, MOST_WINDOWS } from './search-options.ts';
import { createSpeechModel } from './speech-model.ts';
import type { SpeechModel } from './speech-model.ts';
import { createTurnRecogniser, MOST_SOUNDS, MOST_TURN_SECONDS } from './turn-recogniser.ts';
import type { TurnRecogniserParts } from './turn-recogniser.ts';
import type { VoiceDetector } from './voice-detector.ts';
import { nonSpeechTokens } from './whisper/non-speech-tokens.ts';
import { createWhisperRecogniser } from './whisper/whisper-recogniser.ts';
import type { WhisperRules } from './whisper/whisper-rules.ts';
import { whisperTokens } from './whisper/whisper-tokens.ts';
import type { WhisperTokens } from './whisper/whisper-tokens.ts';

const RATE = 16_000;

export interface OpenSpeechModelOptions {
  /** Stays its caller's, who closes it. */
  readonly checkpoint: Checkpoint;
  readonly executor: Executor;
  /** Asked for once it is known that the model hears. */
  readonly openTokenizer: () => Promise<Tokenizer>;
  /** What cuts sounds into turns; the model owns what it gives. */
  readonly openDetector: (options?: { readonly signal?: CancelSignal | undefined }) => Promise<VoiceDetector>;
  readonly quantize?: QuantizeType | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Loads Moonshine, Parakeet or Whisper.
 * @throws InputError for a model that does not hear; FormatError for one that lacks what hearing takes; as {@link Executor.load}
 */
export async function openSpeechModel(options: OpenSpeechModelOptions): Promise<SpeechModel> {
  const { checkpoint, executor, quantize, signal } = options;
  const opened = await openDecoder(checkpoint, { quantize, signal });
  if (!hears(checkpoint, opened)) {
    throw new InputError(
      `${checkpoint.name} (${checkpoint.architecture}) does not hear: expected a model of speech to text, as Moonshine, Whisper or ` +
        'Parakeet. Text models are for loadModel, or "ingot run".',
      { modelKind: 'other' },
    );
  }
  const tokenizer = await options.openTokenizer();
  const load = isParakeet(checkpoint.architecture) ? parakeetOf : checkpoint.architecture === 'whisper' ? whisperOf : moonshineOf;
  const { recogniser, memory } = await load({ ...options, opened, tokenizer });
  const { name, architecture } = checkpoint;
  return createSpeechModel({ name, architecture, device: executor.description, memory, warnings: opened.warnings }, recogniser);
}

/** Bytes that a model that hears takes; undefined for a model that does not. */
export function speechBytes(checkpoint: Checkpoint, decoder: DecoderModel): number | undefined {
  if (!hears(checkpoint, decoder)) return undefined;
  if (isParakeet(checkpoint.architecture)) return frameDecoderBytes({ decoder, ...PARAKEET_ROOM });
  // Further windows of Whisper take memory where they are heard side by side.
  const most = checkpoint.architecture === 'whisper' ? { sounds: 1 } : {};
  return soundDecoderBytes({ decoder, ...soundRoom(checkpoint, decoder), ...most });
}

/** Whether a model is one of speech to text. */
function hears({ architecture }: Checkpoint, { model }: DecoderModel): boolean {
  return model.listener !== undefined || isParakeet(architecture);
}

/** Frames of features of the longest turn, and turns that are heard together. */
const PARAKEET_ROOM = { mostFrames: filledFrames(MOST_TURN_SECONDS * RATE), sounds: MOST_SOUNDS };

/** Rows of the longest sound that is heard at once, and how many such are heard together. */
function soundRoom(
  { architecture }: Checkpoint,
  { config }: DecoderModel,
): { readonly mostRows: number; readonly sounds: number; readonly courses: number } {
  if (architecture === 'whisper')
    return { mostRows: 2 * (config as WhisperConfig).soundPositions, sounds: MOST_WINDOWS, courses: MOST_BEAMS };
  return { mostRows: MOST_TURN_SECONDS * RATE, sounds: MOST_SOUNDS, courses: MOST_SOUNDS };
}

interface Loaded {
  readonly recogniser: Recogniser;
  readonly memory: MemoryUse;
}

interface Opened extends OpenSpeechModelOptions {
  readonly opened: DecoderModel;
  readonly tokenizer: Tokenizer;
}

/** A recogniser of turns by a decoder, which is freed where the recogniser does not come about. */
async function turnsBy(
  decoder: { readonly program: { readonly memory: MemoryUse }; dispose(): Promise<void> },
  partsOf: () => Promise<Omit<TurnRecogniserParts, 'dispose'>>,
): Promise<Loaded> {
  try {
    const recogniser = createTurnRecogniser({ ...(await partsOf()), dispose: () => decoder.dispose() });
    return { recogniser, memory: decoder.program.memory };
  } catch (error) {
    await decoder.dispose();
    throw error;
  }
}

async function moonshineOf({ opened, tokenizer, checkpoint, executor, openDetector, signal, onProgress }: Opened): Promise<Loaded> {
  const decoder = await createSoundDecoder({ executor, decoder: opened, ...soundRoom(checkpoint, opened), signal, onProgress });
  return turnsBy(decoder, async () => ({
    architecture: checkpoint.architecture,
    abilities: { languages: ['en'], words: false },
    detector: await openDetector({ signal }),
    hear: moonshineTurns({ decoder, tokenizer, ...endsOf(checkpoint, tokenizer) }),
  }));
}

async function parakeetOf({ opened, tokenizer, checkpoint, executor, openDetector, signal, onProgress }: Opened): Promise<Loaded> {
  checkFrontEnd(checkpoint, (opened.config as ParakeetConfig).encoder.bins);
  const decoder = await createFrameDecoder({ executor, decoder: opened, ...PARAKEET_ROOM, signal, onProgress });
  return turnsBy(decoder, async () => ({
    // Which language it is a model finds out, where it knows several.
    architecture: checkpoint.architecture,
    abilities: { languages: [], words: true },
    detector: await openDetector({ signal }),
    hear: (parts, how) =>
      hearParts(
        parts.map(({ samples }) => samples),
        { decoder, tokenizer, ...how },
      ),
  }));
}

async function whisperOf({ opened, tokenizer, checkpoint, executor, openDetector, signal, onProgress }: Opened): Promise<Loaded> {
  const { melBands: bands, vocabSize } = opened.config as WhisperConfig;
  const tokens = whisperTokens(vocabSize, checkpoint.name);
  const rules = whisperRules(checkpoint, tokens, tokenizer);
  const filters = melTable(checkpoint, bands);
  const room = soundRoom(checkpoint, opened);
  const decoder = await createSoundDecoder({ executor, decoder: opened, ...room, signal, onProgress });
  const mel = { bands, rows: room.mostRows, filters };
  const recogniser = createWhisperRecogniser({ decoder, tokenizer, tokens, rules, mel, openDetector });
  return { recogniser, memory: decoder.program.memory };
}

/** Timestamps begin within the first second. */
const MOST_INITIAL = 50;

/** The mel filters of a file that has its own. @throws FormatError for those of another transform */
function melTable({ metadata, name }: Checkpoint, bands: number): ArrayLike<number> | undefined {
  const table = metadataNumbers(metadata, 'whisper.mel_filters', name);
  if (table === undefined || table.length === bands * WHISPER_BINS) return table;
  throw new FormatError(
    `${name}: expected mel filters of ${bands} bands and ${WHISPER_BINS} bins, found ${table.length} factors in all.`,
  );
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
