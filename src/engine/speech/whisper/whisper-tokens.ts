/** Whisper's special tokens, by the size of its vocabulary: OpenAI appends them to the same text tokens in one order. */
import { FormatError } from '../../../tensor/errors.ts';

/** In the order of their tokens, from English on; the last one is of the v3 family alone. */
export const WHISPER_LANGUAGES = (
  'en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk ' +
  'te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ' +
  'ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue'
).split(' ');

export interface WhisperTokens {
  readonly vocabSize: number;
  readonly endOfText: number;
  readonly startOfTranscript: number;
  /** By code; of an English model none. */
  readonly languages: ReadonlyMap<string, number>;
  readonly translate: number;
  readonly transcribe: number;
  readonly startOfLm: number;
  readonly startOfPrevious: number;
  readonly noSpeech: number;
  readonly noTimestamps: number;
  /** `<|0.00|>`; the others follow, 20 ms apart, up to 30 s. */
  readonly firstTimestamp: number;
}

/** Seconds from one timestamp to the next. */
export const TIMESTAMP_SECONDS = 0.02;
const TIMESTAMPS = 1501;
/** Text tokens of the English vocabulary; the others have one more. */
const ENGLISH_TEXT_TOKENS = 50_256;
/** Specials beside languages and timestamps. */
const OTHERS = 8;

/**
 * @param vocabSize 51,864 (English), 51,865, or 51,866 (v3 and its kin)
 * @throws FormatError for another size
 */
export function whisperTokens(vocabSize: number, name: string): WhisperTokens {
  const isMultilingual = vocabSize >= 51_865;
  const endOfText = ENGLISH_TEXT_TOKENS + (isMultilingual ? 1 : 0);
  const languageCount = vocabSize - endOfText - OTHERS - TIMESTAMPS;
  if (languageCount < 99 || languageCount > WHISPER_LANGUAGES.length)
    throw new FormatError(`${name}: expected Whisper's vocabulary of 51,864 to 51,866 tokens, found ${vocabSize}.`);
  const firstLanguage = endOfText + 2;
  const translate = firstLanguage + languageCount;
  const codes = isMultilingual ? WHISPER_LANGUAGES.slice(0, languageCount) : [];
  return {
    vocabSize, endOfText, translate,
    startOfTranscript: endOfText + 1,
    languages: new Map(codes.map((code, i) => [code, firstLanguage + i])),
    transcribe: translate + 1,
    startOfLm: translate + 2,
    startOfPrevious: translate + 3,
    noSpeech: translate + 4,
    noTimestamps: translate + 5,
    firstTimestamp: translate + 6,
  };
}

export interface WhisperPrompt {
  /** Undefined for an English model. */
  readonly language?: string | undefined;
  readonly task: 'transcribe' | 'translate';
  readonly hasTimestamps: boolean;
  /** Ids of what was said before; the last that there is room for are taken. */
  readonly previous?: readonly number[] | undefined;
}

/**
 * Tokens that an answer follows.
 * @param positions of the decoder: half of them, less one, may be what was said before
 */
export function whisperPrompt(
  tokens: WhisperTokens, { language, task, hasTimestamps, previous = [] }: WhisperPrompt, positions: number,
): number[] {
  const room = Math.floor(positions / 2) - 1;
  const before = previous.length === 0 ? [] : [tokens.startOfPrevious, ...previous.slice(-room)];
  const ofLanguage = language === undefined ? [] : [tokens.languages.get(language)!, tokens[task]];
  return [...before, tokens.startOfTranscript, ...ofLanguage, ...(hasTimestamps ? [] : [tokens.noTimestamps])];
}
