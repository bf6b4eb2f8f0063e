/** Whisper over sounds of any length: window after window, each beginning where the last whole segment of the one before ended. */
import { WHISPER_RATE } from '../../../audio/whisper-features.ts';
import { InputError } from '../../../tensor/errors.ts';
import { describeValue } from '../../../tensor/option-names.ts';
import type { TranscriptSegment } from '../../../text/transcript-formats.ts';
import type { Tokenizer } from '../../../text/tokenizer.ts';
import type { SoundDecoder } from '../../sound-decoder.ts';
import { createTurns } from '../in-turn.ts';
import type { InTurn } from '../in-turn.ts';
import { monoSound } from '../mono-sound.ts';
import type { Sound } from '../mono-sound.ts';
import type { Hearing, Recogniser, TranscribeOptions } from '../speech-model.ts';
import { isSilence, MOST_CONTEXT_TEMPERATURE } from './answer-quality.ts';
import { decodeWindow } from './decode-window.ts';
import { createMelWindows } from './mel-windows.ts';
import type { MelShape, MelWindows } from './mel-windows.ts';
import { detectLanguage } from './whisper-rules.ts';
import type { WhisperRules } from './whisper-rules.ts';
import { whisperPrompt } from './whisper-tokens.ts';
import type { WhisperTokens } from './whisper-tokens.ts';
import { segmentWords, tokenEnds } from './window-words.ts';
import { FRAME_SECONDS, windowSegments } from './window-segments.ts';

export interface WhisperParts {
  readonly decoder: Pick<SoundDecoder, 'hear' | 'logits' | 'branch' | 'align' | 'vocabSize' | 'contextLength'>;
  readonly tokenizer: Pick<Tokenizer, 'encode' | 'decode'>;
  readonly tokens: WhisperTokens;
  readonly rules: WhisperRules;
  readonly mel: MelShape;
}

/** @param parts whose decoder it owns */
export function createWhisperRecogniser(parts: WhisperParts & { readonly decoder: Pick<SoundDecoder, 'dispose'> }): Recogniser {
  const inTurn = createTurns();
  const codes = [...parts.tokens.languages.keys()];
  return {
    abilities: {
      languages: codes.length === 0 ? ['en'] : codes, prompts: true, turns: false, words: true, translates: codes.length > 0,
      searches: true,
    },
    checkOptions: (options) => checkOptions(options, parts.tokens),
    segments: (sound, options, hearing) => whisperSegments({ ...parts, inTurn }, { sound, options, hearing }),
    dispose: () => inTurn(() => parts.decoder.dispose()),
  };
}

/** @throws InputError */
function checkOptions({ language, turns, pieceSeconds, task }: TranscribeOptions, { languages }: WhisperTokens): void {
  for (const [name, value] of Object.entries({ turns, pieceSeconds }))
    if (value !== undefined) throw new InputError(`${name} is for models that hear turns: Whisper takes windows of 30 s. Leave it out.`);
  if (languages.size === 0) {
    if (language !== undefined && language !== 'en')
      throw new InputError(`this Whisper knows English ("en") alone, found ${describeValue(language)}.`);
    if (task === 'translate') throw new InputError('this Whisper knows English alone: it translates nothing.');
  } else if (language !== undefined && !languages.has(language)) {
    throw new InputError(`language must be one of ${[...languages.keys()].join(', ')}, found ${describeValue(language)}.`);
  }
}

interface Call {
  readonly sound: Sound;
  readonly options: TranscribeOptions;
  readonly hearing: Hearing;
}

/** Segments of a sound, as windows are decoded. */
async function* whisperSegments(
  parts: WhisperParts & { readonly inTurn: InTurn }, { sound, options, hearing }: Call,
): AsyncGenerator<TranscriptSegment> {
  const { tokenizer, tokens, mel, inTurn } = parts;
  const { signal, onProgress, onTokens, prompt } = options;
  const { pieces, seconds: total = 0 } = monoSound(sound, WHISPER_RATE);
  const windows = createMelWindows(pieces, mel);
  let context: number[] = prompt === undefined ? [] : tokenizer.encode(` ${prompt.trim()}`);
  hearing.language = tokens.languages.size === 0 ? undefined : options.language;
  onProgress?.({ phase: 'transcribe', loaded: 0, total });
  for (let at = 0; ; ) {
    signal?.throwIfAborted();
    const frames = await windows.fill();
    hearing.seconds = windows.samples / WHISPER_RATE;
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
    onProgress?.({ phase: 'transcribe', loaded: Math.min(at * FRAME_SECONDS, Math.max(hearing.seconds, total)), total });
  }
  onProgress?.({ phase: 'transcribe', loaded: hearing.seconds, total: Math.max(total, hearing.seconds) });
}

/** A segment of a window, and its words, in seconds of the sound. */
function shifted({ start, end, text, words }: TranscriptSegment, by: number): TranscriptSegment {
  const times = <Timed extends { readonly start: number; readonly end: number }>(timed: Timed): Timed =>
    ({ ...timed, start: timed.start + by, end: timed.end + by });
  return { ...times({ start, end, text }), ...(words && { words: words.map(times) }) };
}

interface WindowState {
  readonly options: TranscribeOptions;
  readonly hearing: Hearing;
  readonly context: readonly number[];
  readonly frames: number;
}

async function hearWindow(parts: WhisperParts, windows: MelWindows, { options, hearing, context, frames }: WindowState) {
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
