/** Whisper over a sound of any length: each window begins where the last whole segment of the one before ended. */
import { WHISPER_RATE } from '../../../audio/whisper-features.ts';
import type { TranscriptSegment } from '../../../text/transcript-formats.ts';
import type { Tokenizer } from '../../../text/tokenizer.ts';
import type { InTurn } from '../in-turn.ts';
import type { Hearing } from '../recogniser.ts';
import type { TranscribeOptions } from '../transcribe-options.ts';
import { isSilence, MOST_CONTEXT_TEMPERATURE } from './answer-quality.ts';
import { decodeWindow } from './decode-window.ts';
import { createMelWindows } from './mel-windows.ts';
import type { MelShape, MelWindows } from './mel-windows.ts';
import type { LaneDecoder } from './side-by-side.ts';
import { detectLanguage } from './whisper-rules.ts';
import type { WhisperRules } from './whisper-rules.ts';
import { whisperPrompt } from './whisper-tokens.ts';
import type { WhisperTokens } from './whisper-tokens.ts';
import { segmentWords, tokenEnds } from './window-words.ts';
import { FRAME_SECONDS, windowSegments } from './window-segments.ts';

export interface WindowParts {
  readonly decoder: LaneDecoder;
  readonly tokenizer: Pick<Tokenizer, 'encode' | 'decode'>;
  readonly tokens: WhisperTokens;
  readonly rules: WhisperRules;
  readonly mel: MelShape;
}

export interface WindowCall {
  /** Samples at 16 kHz. */
  readonly pieces: AsyncIterable<Float32Array>;
  readonly options: TranscribeOptions;
  /** Whose language is heard in the first window where it is not known. */
  readonly hearing: Pick<Hearing, 'language'>;
  /** Each window's work. */
  readonly inTurn: InTurn;
  /** Where the next window begins, and how much of the sound came, in seconds. */
  readonly onWindow?: ((next: number, came: number) => void) | undefined;
}

/** Segments, as windows are decoded, in seconds from the beginning of the sound. */
export async function* windowByWindow(parts: WindowParts, call: WindowCall): AsyncGenerator<TranscriptSegment> {
  const { tokenizer, tokens, mel } = parts;
  const { pieces, options, hearing, inTurn, onWindow } = call;
  const { signal, onTokens, prompt } = options;
  const windows = createMelWindows(pieces, mel);
  let context: number[] = prompt === undefined ? [] : tokenizer.encode(` ${prompt.trim()}`);
  for (let at = 0; ; ) {
    signal?.throwIfAborted();
    const frames = await windows.fill();
    onWindow?.(at * FRAME_SECONDS, windows.samples / WHISPER_RATE);
    if (frames === 0) break;
    const { answer, segments, advance, ends } = await inTurn(() => hearWindow(parts, windows, { options, hearing, context, frames }));
    onTokens?.(answer.ids.length);
    for (const segment of segments) {
      const text = tokenizer.decode(textIds(segment.ids, tokens)).trim();
      if (text === '') continue;
      const words = ends && segmentWords(segment, ends, { ...tokens, language: hearing.language, decode: tokenizer.decode });
      yield shifted({ ...segment, text, words }, at * FRAME_SECONDS);
    }
    const said = segments.flatMap(({ ids }) => ids);
    const isDropped = answer.temperature > MOST_CONTEXT_TEMPERATURE || options.conditioned === false;
    context = isDropped ? [] : [...context, ...said].slice(-parts.decoder.contextLength);
    // An end at 0.00 would begin the same window again.
    const step = advance > 0 ? advance : frames;
    windows.advance(step);
    at += step;
    onWindow?.(at * FRAME_SECONDS, windows.samples / WHISPER_RATE);
  }
}

/** A segment and its words, later. */
export function shifted({ start, end, text, words }: TranscriptSegment, by: number): TranscriptSegment {
  const times = <Timed extends { readonly start: number; readonly end: number }>(timed: Timed): Timed =>
    ({ ...timed, start: timed.start + by, end: timed.end + by });
  return { ...times({ start, end, text }), ...(words && { words: words.map(times) }) };
}

interface WindowState {
  readonly options: TranscribeOptions;
  readonly hearing: WindowCall['hearing'];
  readonly context: readonly number[];
  readonly frames: number;
}

async function hearWindow(parts: WindowParts, windows: MelWindows, { options, hearing, context, frames }: WindowState) {
  const { decoder, tokens, rules, tokenizer } = parts;
  const { signal, task = 'transcribe' } = options;
  const sound = await decoder.hear(windows.window());
  try {
    if (tokens.languages.size > 0 && hearing.language === undefined) {
      const logits = await decoder.logits([{ sound, tokens: [tokens.startOfTranscript], outputs: [0] }], signal);
      hearing.language = detectLanguage(logits, tokens).code;
    }
    const { language } = hearing;
    const prompt = whisperPrompt(tokens, { language, task, hasTimestamps: true, previous: context }, decoder.contextLength);
    const textOf = (ids: readonly number[]): string => tokenizer.decode(textIds(ids, tokens));
    const { beams = 1, patience = 1, lengthPenalty, temperatures } = options;
    const search = { temperatures, beams: beams === 1 ? undefined : { beams, patience, lengthPenalty } };
    const answer = await decodeWindow({ decoder, sound, prompt, rules, tokens, textOf, signal, ...search });
    if (isSilence(answer)) return { answer, ends: undefined, segments: [], advance: frames };
    const { ids } = answer;
    const ends = options.timestamps === 'words' ? await tokenEnds(decoder, { sound, prompt, ids, frames, signal }) : undefined;
    return { answer, ends, ...windowSegments(ids, frames, tokens) };
  } finally {
    sound.close();
  }
}

function textIds(ids: readonly number[], { endOfText }: WhisperTokens): number[] {
  return ids.filter((id) => id < endOfText);
}
