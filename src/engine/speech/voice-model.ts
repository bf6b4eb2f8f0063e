/** Text to speech: what a model that speaks offers. */
import type { MemoryUse } from '../../graph/executor.ts';
import { InputError } from '../../tensor/errors.ts';
import { checkOptionNames, describeValue } from '../../tensor/option-names.ts';
import type { NamesOf } from '../../tensor/option-names.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { checkOperation } from '../../tensor/progress.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import { joinClauses, splitClauses } from '../../text/speech/clauses.ts';
import type { Clause } from '../../text/speech/clauses.ts';
import { normalizeEnglish } from '../../text/speech/english/normalize-english.ts';
import { kokoroPhonemes } from '../../text/speech/espeak-phonemes.ts';
import type { EspeakLanguage } from '../../text/speech/espeak-phonemes.ts';
import { hasWords, splitSentences } from '../../text/speech/sentences.ts';
import { splitPhonemes } from '../../text/speech/split-phonemes.ts';
import { wordPlaces } from '../../text/speech/word-places.ts';
import type { WordPlace } from '../../text/speech/word-places.ts';
import type { TranscriptWord } from '../../text/transcript-formats.ts';
import { tooLong } from './kokoro/kokoro-speaker.ts';
import type { KokoroSpeaker, SpeakerOptions } from './kokoro/kokoro-speaker.ts';
import { blendVoices, parseVoice, voiceRow } from './voice-pack.ts';
import type { VoiceBlend, VoicePack } from './voice-pack.ts';

export interface SpeakOptions {
  /** A voice's name, a blend as `af_heart:2,af_bella`, or an object of names and shares. Default: the model's first. */
  readonly voice?: string | VoiceBlend | undefined;
  /** Times as fast, from 0.25 to 4. Default 1. */
  readonly speed?: number | undefined;
  /** Of the noise in the voice: equal seeds give equal samples on one device. Default 0. */
  readonly seed?: number | undefined;
  readonly signal?: CancelSignal | undefined;
  /** Told of each sentence when it was spoken: characters of the text, of how many (phase `speak`). */
  readonly onProgress?: OnProgress | undefined;
}

const SPEAK_NAMES: NamesOf<SpeakOptions> = { voice: true, speed: true, seed: true, signal: true, onProgress: true };

/** A text, or phonemes as the model has them. */
export type Speakable = string | { readonly phonemes: string };

/** A sentence, or a part of a long one. */
export interface SpokenPiece {
  /** Mono, from -1 to 1, at the model's rate. */
  readonly samples: Float32Array;
  /** What of the text this is; the phonemes where those were given. */
  readonly text: string;
  readonly phonemes: string;
  /** When its words are said, in seconds from the piece's first sample; none where phonemes were given. */
  readonly words: readonly TranscriptWord[];
}

export interface VoiceModelInfo {
  readonly name: string;
  readonly architecture: string;
  readonly device: string;
  /** Samples a second. */
  readonly sampleRate: number;
  /** Names of voices; none where the place cannot be listed (a URL): then a voice is found when it is named. */
  readonly voices: readonly string[];
  readonly memory: MemoryUse;
  readonly warnings: readonly string[];
}

export interface VoiceModel {
  readonly info: VoiceModelInfo;
  /**
   * Speaks sentence by sentence; each is made when it is asked for. Leaving the loop ends the work.
   * @throws InputError for options that cannot be meant, a text with nothing to speak and phonemes that the model lacks; CapacityError
   * where nothing makes phonemes of a text (it says which package does)
   */
  speak(what: Speakable, options?: SpeakOptions): AsyncGenerator<SpokenPiece>;
  /** Frees the model. Idempotent. */
  dispose(): Promise<void>;
}

/** What makes phonemes of words: espeak-ng's, in its alphabet with ties, one for each clause. */
export type Phonemizer = (clauses: readonly Clause[], language: EspeakLanguage, signal?: CancelSignal) => Promise<readonly string[]>;

export interface VoiceSource {
  readonly names: readonly string[];
  /** @throws InputError for a voice that is not there, FormatError for a damaged one */
  load(name: string): Promise<VoicePack>;
}

export interface VoiceModelParts {
  readonly info: Omit<VoiceModelInfo, 'sampleRate' | 'voices' | 'memory'>;
  readonly speaker: KokoroSpeaker;
  readonly voices: VoiceSource;
  readonly phonemizer: Phonemizer;
}

/** First letters of voices' names. */
const LANGUAGES: Readonly<Record<string, EspeakLanguage>> = {
  a: 'en-us', b: 'en-gb', e: 'es', f: 'fr-fr', h: 'hi', i: 'it', p: 'pt-br',
};
const DEFAULT_VOICE = 'af_heart';

/** Owns the speaker. */
export function createVoiceModel({ info, speaker, voices, phonemizer }: VoiceModelParts): VoiceModel {
  let isDisposed = false;
  const packs = new Map<string, Promise<VoicePack>>();
  const packOf = (name: string): Promise<VoicePack> => {
    const pack = packs.get(name) ?? voices.load(name);
    packs.set(name, pack);
    pack.catch(() => packs.delete(name));
    return pack;
  };
  return {
    info: { ...info, sampleRate: speaker.sampleRate, voices: voices.names, memory: speaker.memory },
    async *speak(what, options = {}) {
      if (isDisposed) throw new InputError('the model was disposed: load it again.');
      const { voice, ...checked } = checkedOptions(what, options);
      const shares = parseVoice(voice ?? (voices.names.includes(DEFAULT_VOICE) ? DEFAULT_VOICE : (voices.names[0] ?? DEFAULT_VOICE)));
      const parts = await Promise.all([...shares].map(async ([name, share]) => [await packOf(name), share] as const));
      yield* spoken(what, { speaker, phonemizer, pack: blendVoices(parts), language: languageOf([...shares.keys()]), ...checked });
    },
    async dispose() {
      if (isDisposed) return;
      isDisposed = true;
      await speaker.dispose();
    },
  };
}

interface Speaking extends SpeakerOptions {
  readonly speaker: KokoroSpeaker;
  readonly phonemizer: Phonemizer;
  readonly pack: VoicePack;
  /** Undefined for voices of languages that espeak-ng's phonemes are not for. */
  readonly language: EspeakLanguage | undefined;
  readonly onProgress: OnProgress | undefined;
}

function languageOf(names: readonly string[]): EspeakLanguage | undefined {
  const languages = new Set(names.map((name) => LANGUAGES[name[0] ?? '']));
  return languages.size === 1 ? [...languages][0] : undefined;
}

function checkedOptions(what: Speakable, options: SpeakOptions) {
  checkOptionNames(options, SPEAK_NAMES, 'speak');
  checkOperation(options);
  const { voice, speed = 1, seed = 0, signal, onProgress } = options;
  if (typeof speed !== 'number' || !(speed >= 0.25 && speed <= 4))
    throw new InputError(`speed must be a number from 0.25 to 4, found ${describeValue(speed)}.`);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new InputError(`seed must be a whole number from 0 on, found ${describeValue(seed)}.`);
  const isPhonemes = typeof what === 'object' && what !== null && typeof what.phonemes === 'string';
  if (typeof what !== 'string' && !isPhonemes)
    throw new InputError(`what is spoken must be a text, or an object with phonemes, found ${describeValue(what)}.`);
  if (typeof what === 'string' && !hasWords(what))
    throw new InputError(`the text has nothing to speak: expected letters or digits, found ${describeValue(what)}.`);
  return { voice, speed, seed, signal, onProgress };
}

async function* spoken(what: Speakable, speaking: Speaking): AsyncGenerator<SpokenPiece> {
  const { signal, onProgress } = speaking;
  if (typeof what !== 'string') {
    const wanted = what.phonemes.trim();
    checkPhonemes(wanted, speaking.speaker);
    yield* pieces(wanted, wanted, speaking);
    return;
  }
  let done = 0;
  for (const sentence of splitSentences(what)) {
    signal?.throwIfAborted();
    done += sentence.length;
    if (!hasWords(sentence)) continue;
    const phonemes = await phonemesOf(sentence, speaking);
    if (phonemes !== '') yield* pieces(phonemes, sentence, speaking);
    onProgress?.({ phase: 'speak', loaded: done, total: what.length });
  }
}

/** @throws InputError for symbols that the model lacks: where somebody wrote them, they are meant */
function checkPhonemes(phonemes: string, { config }: KokoroSpeaker): void {
  const symbols = Array.from(phonemes);
  const unknown = [...new Set(symbols.filter((symbol) => !config.vocab.has(symbol)))];
  if (unknown.length > 0) {
    throw new InputError(
      `phonemes: the model has none for ${unknown.slice(0, 8).map((symbol) => JSON.stringify(symbol)).join(', ')}. ` +
        `It has ${[...config.vocab.keys()].join('').trim()}`,
    );
  }
  if (!hasWords(phonemes)) throw new InputError(`phonemes: expected at least one that is a sound, found ${describeValue(phonemes)}.`);
}

async function phonemesOf(sentence: string, { phonemizer, language, speaker, signal }: Speaking): Promise<string> {
  if (language === undefined) {
    throw new InputError(
      'voice: phonemes of a text are made for voices of one language, whose names begin with a, b, e, f, h, i or p. ' +
        'For others give phonemes ({ phonemes }, or --phonemes).',
    );
  }
  const isEnglish = language === 'en-us' || language === 'en-gb';
  const clauses = splitClauses(isEnglish ? normalizeEnglish(sentence, language) : sentence);
  const ipa = await phonemizer(clauses, language, signal);
  const joined = joinClauses(clauses, ipa.map((each) => kokoroPhonemes(each, language)));
  // What the model was not trained with is no sound to it.
  return Array.from(joined).filter((symbol) => speaker.config.vocab.has(symbol)).join('').trim();
}

/** Speaks what the model takes at once, and cuts what turns out to be too long. */
async function* pieces(phonemes: string, text: string, speaking: Speaking): AsyncGenerator<SpokenPiece> {
  const { speaker, pack, speed, seed, signal } = speaking;
  const waiting = splitPhonemes(phonemes, speaker.mostPhonemes);
  const isWhole = waiting.length === 1;
  const places = phonemes === text ? [] : wordPlaces(text, phonemes);
  let end = 0;
  while (waiting.length > 0) {
    const piece = waiting.shift() as string;
    const symbols = Array.from(piece);
    const ids = symbols.map((symbol) => speaker.config.vocab.get(symbol) as number);
    const made = await speaker.speak(ids, voiceRow(pack, symbols.length), { speed, seed, signal });
    if ('frames' in made) {
      if (symbols.length < 2) throw tooLong(made);
      const most = Math.max(1, Math.min(symbols.length - 1, Math.floor((symbols.length * made.mostFrames) / made.frames)));
      waiting.unshift(...splitPhonemes(piece, most));
      continue;
    }
    const start = phonemes.indexOf(piece, end);
    end = start + piece.length;
    const own = places.filter(({ phonemeEnd }) => phonemeEnd > start && phonemeEnd <= end);
    const words = timedWords(own, { symbols, start, ends: made.ends, sampleRate: speaker.sampleRate });
    yield { samples: made.samples, text: isWhole && piece === phonemes ? text : piece, phonemes: piece, words };
  }
}

interface TimedPiece {
  readonly symbols: readonly string[];
  /** In the sentence's phonemes. */
  readonly start: number;
  readonly ends: Int32Array;
  readonly sampleRate: number;
}

function timedWords(places: readonly WordPlace[], { symbols, start, ends, sampleRate }: TimedPiece): TranscriptWord[] {
  let [at, symbol, before] = [start, -1, 0];
  return places.map(({ word, phonemeEnd }) => {
    while (at < phonemeEnd && symbol + 1 < symbols.length) at += symbols[++symbol]!.length;
    const [from, to] = [before, ends[symbol]! / sampleRate];
    before = to;
    return { text: word, start: from, end: to };
  });
}
