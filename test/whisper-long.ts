/** The sound and the model of scripts/fixtures/whisper_long.py, made of the same integers. */
import { createSoundDecoder } from '../src/engine/sound-decoder.ts';
import type { SoundDecoder } from '../src/engine/sound-decoder.ts';
import { createSpeechModel } from '../src/engine/speech/speech-model.ts';
import type { SpeechModel } from '../src/engine/speech/speech-model.ts';
import { createWhisperRecogniser } from '../src/engine/speech/whisper/whisper-recogniser.ts';
import type { WhisperParts } from '../src/engine/speech/whisper/whisper-recogniser.ts';
import { loadVoiceDetector } from '../src/node/load-voice-detector.ts';
import { bundledDetectorPath } from '../src/node/package-root.ts';
import type { WhisperTokens } from '../src/engine/speech/whisper/whisper-tokens.ts';
import type { Executor } from '../src/graph/executor.ts';
import { openDecoder } from '../src/models/open-decoder.ts';
import { memoryCheckpoint } from './memory-checkpoint.ts';

const RATE = 16_000;
const [DIM, FFN, VOCAB, POSITIONS, CONTEXT, BANDS] = [32, 64, 201, 150, 128, 80];
export const LONG_TOKENS: WhisperTokens = {
  vocabSize: VOCAB, endOfText: 40, startOfTranscript: 41, languages: new Map([['en', 42], ['de', 43]]), translate: 44, transcribe: 45,
  startOfLm: 46, startOfPrevious: 47, noSpeech: 48, noTimestamps: 49, firstTimestamp: 50,
};
const { endOfText, startOfTranscript, translate, transcribe, startOfLm, startOfPrevious, noSpeech } = LONG_TOKENS;
export const LONG_RULES = {
  suppressed: [5, 17, startOfTranscript, translate, transcribe, startOfLm, startOfPrevious, noSpeech], suppressedFirst: [7, endOfText],
  timestamps: { mostInitial: 50 },
};

/** Numbers from -1 to 1, of 32-bit arithmetic alone. */
function hashed(count: number, seed: number): Float32Array {
  const mixed = (i: number): number => {
    let x = (Math.imul(i, 2654435761) + seed * 40_503 + 1) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 2246822507) >>> 0;
    x = Math.imul(x ^ (x >>> 13), 3266489909) >>> 0;
    return (x ^ (x >>> 16)) >>> 0;
  };
  return Float32Array.from({ length: count }, (_, i) => mixed(i) / 2 ** 31 - 1);
}

/** @param speech the recording; @param seconds of the ten minutes */
export function longSound(speech: Float32Array, seconds: number): Float32Array {
  const all = new Float32Array(RATE * 600);
  all.set(hashed(RATE / 10, 1));
  let at = RATE / 2;
  for (let part = 0; part < 60; part++) {
    const length = RATE * (4 + (part % 7));
    if (at + length > all.length) break;
    const begin = (part * 7 * RATE) % (speech.length - length);
    const kind = part % 5;
    if (kind === 0 || kind === 3) all.set(speech.subarray(begin, begin + length).map((value) => 0.5 * value), at);
    else if (kind === 1) all.set(hashed(length, part).map((value) => Math.fround(0.05) * value), at);
    else if (kind === 2) all.copyWithin(at, at - length, at);
    at += length;
  }
  return all.subarray(0, RATE * seconds);
}

function shapesOf(): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  const both = (name: string, [out, ...rest]: readonly number[], hasBias = true): void => {
    shapes.set(`model.${name}.weight`, [out!, ...rest]);
    if (hasBias) shapes.set(`model.${name}.bias`, [out!]);
  };
  const layer = (name: string, hasMemory: boolean): void => {
    for (const attention of hasMemory ? ['self_attn', 'encoder_attn'] : ['self_attn']) {
      for (const part of ['q', 'k', 'v', 'out']) both(`${name}.${attention}.${part}_proj`, [DIM, DIM], part !== 'k');
      both(`${name}.${attention}_layer_norm`, [DIM]);
    }
    both(`${name}.fc1`, [FFN, DIM]);
    both(`${name}.fc2`, [DIM, FFN]);
    both(`${name}.final_layer_norm`, [DIM]);
  };
  both('encoder.conv1', [DIM, BANDS, 3]);
  both('encoder.conv2', [DIM, DIM, 3]);
  both('encoder.embed_positions', [POSITIONS, DIM], false);
  layer('encoder.layers.0', false);
  both('encoder.layer_norm', [DIM]);
  both('decoder.embed_tokens', [VOCAB, DIM], false);
  both('decoder.embed_positions', [CONTEXT, DIM], false);
  for (const n of [0, 1]) layer(`decoder.layers.${n}`, true);
  both('decoder.layer_norm', [DIM]);
  return shapes;
}

export interface LongModel {
  readonly seed: number;
  /** Factors of rows of the table of embeddings. */
  readonly gains: readonly (readonly [row: number, gain: number])[];
}

function valuesOf(name: string, shape: readonly number[], number: number, { seed, gains }: LongModel): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = hashed(count, seed * 1000 + number);
  if (name.endsWith('norm.weight')) return values.map((value) => 1 + Math.fround(Math.fround(0.1) * value));
  if (name.endsWith('bias')) return values.map((value) => Math.fround(0.1) * value);
  const scale = 2.5 / Math.sqrt(count / shape[0]!);
  const factors = new Map(name.endsWith('embed_tokens.weight') ? gains : []);
  return values.map((value, i) => value * scale * (factors.get(Math.floor((i * shape[0]!) / count)) ?? 1));
}

export const LONG_ROWS = 2 * POSITIONS;

export async function longDecoder(executor: Executor, made: LongModel, sounds = 1): Promise<SoundDecoder> {
  const shapes = shapesOf();
  const names = [...shapes.keys()].toSorted();
  const tensors = Object.fromEntries(names.map((name, i) => {
    const shape = shapes.get(name)!;
    return [name, { shape, bytes: new Uint8Array(valuesOf(name, shape, i, made).buffer) }];
  }));
  const config = {
    model_type: 'whisper', d_model: DIM, encoder_layers: 1, decoder_layers: 2, encoder_attention_heads: 2, decoder_attention_heads: 2,
    encoder_ffn_dim: FFN, decoder_ffn_dim: FFN, num_mel_bins: BANDS, max_source_positions: POSITIONS, max_target_positions: CONTEXT,
    vocab_size: VOCAB, activation_function: 'gelu', is_encoder_decoder: true,
  };
  const opened = await openDecoder(memoryCheckpoint({ format: 'safetensors', architecture: 'whisper', config, tensors }));
  return createSoundDecoder({ executor, decoder: opened, mostRows: LONG_ROWS, sounds, courses: 8 });
}

/** What hears whose words are the numbers of its tokens. */
export async function longParts(
  executor: Executor, made: LongModel,
): Promise<WhisperParts & { readonly decoder: SoundDecoder }> {
  const tokenizer = { encode: () => [], decode: (ids: Iterable<number>) => Array.from(ids, (id) => ` ${id}`).join('') };
  return {
    decoder: await longDecoder(executor, made, 8), tokenizer, tokens: LONG_TOKENS, rules: LONG_RULES,
    mel: { bands: BANDS, rows: LONG_ROWS },
    openDetector: () => loadVoiceDetector(bundledDetectorPath()),
  };
}

/** Speech to text of {@link longParts}. */
export async function longSpeechModel(executor: Executor, made: LongModel): Promise<SpeechModel> {
  const parts = await longParts(executor, made);
  const { decoder } = parts;
  const recogniser = createWhisperRecogniser(parts);
  const about = { name: 'long', architecture: 'whisper', device: executor.description, memory: decoder.program.memory, warnings: [] };
  return createSpeechModel(about, recogniser);
}
