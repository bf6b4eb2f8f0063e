/** A model that is talked with: what it offers, and what its options mean. */
import type { MemoryUse } from '../../graph/executor.ts';
import { InputError } from '../../tensor/errors.ts';
import { checkInteger, checkOptionNames, describeNumber, describeValue } from '../../tensor/option-names.ts';
import type { NamesOf } from '../../tensor/option-names.ts';
import { checkOperation } from '../../tensor/progress.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { VOICE_RATE } from './frame-voice.ts';
import { openResampledSound } from './hear-sound.ts';
import type { ComingSound } from './hear-sound.ts';
import { cutToHeard, Talk } from './talk.ts';
import type { HeardAnswer, SayOptions, TalkOutput, TalkSettings } from './talk.ts';
import type { TalkEvent } from './talk-flow.ts';
import type { TalkBefore, TalkTurn } from './talk-turns.ts';
import type { TalkEngine } from './talk-engine.ts';
import type { TalkSampling } from './talk-steps.ts';

/** `converse`: speech and text in answer to either. `transcribe`: the text of a sound. `speak`: a text, spoken. */
export const TALK_TASKS = ['converse', 'transcribe', 'speak'] as const;
export type TalkTask = (typeof TALK_TASKS)[number];

/** Voices of the task `speak`, as its system's message names them. */
export const TALK_VOICES = ['us-male', 'us-female', 'uk-male', 'uk-female'] as const;
export type TalkVoice = (typeof TALK_VOICES)[number];

export interface OpenTalkOptions {
  /** Default `converse`. */
  readonly task?: TalkTask | undefined;
  /** Of the task `speak`. Default `us-male`. */
  readonly voice?: TalkVoice | undefined;
  /** The system's message in place of the task's own; "" leaves it out. */
  readonly system?: string | undefined;
  /** How text is chosen. Default: the likeliest. */
  readonly text?: Partial<TalkSampling> | undefined;
  /** How codes of speech are chosen. Default: temperature 1 and top-k 4 to converse, 0.8 and 64 to speak. */
  readonly audio?: Partial<TalkSampling> | undefined;
  /** Of what is drawn by chance. Default 0. */
  readonly seed?: number | undefined;
  /** What was said before, in order: it is read with the first turn. Default: nothing. */
  readonly before?: readonly TalkBefore[] | undefined;
}

export type TalkOptions = OpenTalkOptions & SayOptions;

const OPEN_NAMES: NamesOf<OpenTalkOptions> = { task: true, voice: true, system: true, text: true, audio: true, seed: true, before: true };
const SAY_NAMES: NamesOf<SayOptions> = { maxTokens: true, signal: true };
const SAMPLING_NAMES: NamesOf<TalkSampling> = { temperature: true, topK: true };

export interface TalkModelInfo {
  /** Path or URL of its file. */
  readonly name: string;
  readonly architecture: string;
  /** As `cpu (2 threads, relaxed SIMD)`. */
  readonly device: string;
  /** Hz of the speech that it makes. */
  readonly sampleRate: number;
  /** Positions of a conversation. */
  readonly contextLength: number;
  /** Of the sound of a turn. */
  readonly mostSeconds: number;
  readonly memory: MemoryUse;
  readonly warnings: readonly string[];
}

export interface TalkConversation {
  /** Positions that it takes. */
  readonly length: number;
  /** As {@link Talk.said}: for `before` of a conversation that goes on from it. */
  readonly said: readonly TalkEvent[];
  /** As {@link Talk.say}. */
  say(turn: TalkTurn, options?: SayOptions): AsyncGenerator<TalkOutput>;
  /** As {@link Talk.keepHeard}. */
  keepHeard(samples: number): string;
  /** Frees what it took. Idempotent. */
  close(): void;
}

export interface TalkModel {
  readonly info: TalkModelInfo;
  /** One turn, and its answer: a conversation that ends with it. @throws as {@link Talk.say} */
  talk(turn: TalkTurn, options?: TalkOptions): AsyncGenerator<TalkOutput>;
  /** A conversation, whose turns go on from what is there. Close it when done. @throws InputError for options that cannot be meant */
  open(options?: OpenTalkOptions): TalkConversation;
  /**
   * A sound of a turn that is heard while it comes, so that little is left to do at its end: what its `end` gives is a turn's `sound`.
   * @throws InputError for a rate that is none
   */
  openSound(sampleRate: number): ComingSound;
  /** What of an answer was heard with so many samples of its speech. @param said as of {@link TalkConversation.said} */
  cutToHeard(said: readonly TalkEvent[], samples: number): HeardAnswer;
  /** Frees the model. Idempotent. */
  dispose(): Promise<void>;
}

export interface TalkModelParts {
  readonly about: Omit<TalkModelInfo, 'sampleRate' | 'contextLength' | 'mostSeconds' | 'memory'>;
  readonly engine: TalkEngine;
  readonly tokenizer: Tokenizer;
  /** Of a sound. */
  readonly mostSeconds: number;
}

/** Owns the engine. */
export function createTalkModel({ about, engine, tokenizer, mostSeconds }: TalkModelParts): TalkModel {
  let isDisposed = false;
  const open = (options: OpenTalkOptions): Talk => {
    if (isDisposed) throw new InputError('the model was disposed: load it again.');
    return new Talk({ engine, tokenizer, mostSeconds, settings: settingsOf(options, engine.config.interleaved) });
  };
  return {
    get info() {
      return { ...about, sampleRate: VOICE_RATE, contextLength: engine.contextLength, mostSeconds, memory: engine.program.memory };
    },
    async *talk(turn, options = {}) {
      checkOptionNames(options, { ...OPEN_NAMES, ...SAY_NAMES }, 'talk');
      const { maxTokens, signal, ...own } = options;
      checkSay({ maxTokens, signal });
      const talk = open(own);
      try {
        yield* talk.say(turn, { maxTokens, signal });
      } finally {
        talk.close();
      }
    },
    open(options = {}) {
      const talk = open(options);
      return {
        get length() {
          return talk.length;
        },
        get said() {
          return talk.said;
        },
        async *say(turn, sayOptions = {}) {
          checkOptionNames(sayOptions, SAY_NAMES, 'say');
          checkSay(sayOptions);
          yield* talk.say(turn, sayOptions);
        },
        keepHeard: (samples) => talk.keepHeard(samples),
        close: () => talk.close(),
      };
    },
    openSound: (sampleRate) => openResampledSound(sampleRate, { bands: engine.config.ears.bins, mostSeconds }),
    cutToHeard: (said, samples) => cutToHeard(said, samples, { engine, tokenizer }),
    async dispose() {
      if (isDisposed) return;
      isDisposed = true;
      await engine.dispose();
    },
  };
}

function checkSay({ maxTokens, signal }: SayOptions): void {
  checkInteger('maxTokens', maxTokens, { min: 1 });
  checkOperation({ signal });
}

const GREEDY: TalkSampling = { temperature: 0, topK: 0 };

/** What the model was trained to be told, and how its authors draw. */
const TASKS: Readonly<Record<TalkTask, { readonly system: string; readonly isInterleaved: boolean; readonly audio: TalkSampling }>> = {
  converse: { system: 'Respond with interleaved text and audio.', isInterleaved: true, audio: { temperature: 1, topK: 4 } },
  transcribe: { system: 'Perform ASR.', isInterleaved: false, audio: GREEDY },
  speak: { system: 'Perform TTS. Use the VOICE voice.', isInterleaved: false, audio: { temperature: 0.8, topK: 64 } },
};

const VOICE_WORDS: Readonly<Record<TalkVoice, string>> = {
  'us-male': 'US male', 'us-female': 'US female', 'uk-male': 'UK male', 'uk-female': 'UK female',
};

/** @throws InputError for options that cannot be meant */
function settingsOf(options: OpenTalkOptions, interleaved: { readonly text: number; readonly audio: number }): TalkSettings {
  checkOptionNames(options, OPEN_NAMES, 'talk');
  const { task = 'converse', voice, system, seed = 0, before = [] } = options;
  checkOneOf('task', task, TALK_TASKS);
  if (voice !== undefined) checkOneOf('voice', voice, TALK_VOICES);
  if (voice !== undefined && task !== 'speak')
    throw new InputError(`voice is for the task "speak", and the task is ${JSON.stringify(task)}.`);
  if (voice !== undefined && system !== undefined)
    throw new InputError('voice and system are two ways to say the same: the voice is named in the message of the system. Leave one out.');
  if (system !== undefined && typeof system !== 'string') throw new InputError(`system must be a text, found ${describeValue(system)}.`);
  checkInteger('seed', seed, { min: 0 });
  if (!Array.isArray(before)) throw new InputError(`before must be a list of turns and answers, found ${describeValue(before)}.`);
  const { system: usual, isInterleaved, audio } = TASKS[task];
  return {
    system: system ?? usual.replace('VOICE', VOICE_WORDS[voice ?? 'us-male']),
    mode: isInterleaved ? { kind: 'interleaved', ...interleaved } : { kind: 'sequential' },
    text: samplingOf('text', options.text, GREEDY),
    audio: samplingOf('audio', options.audio, audio),
    seed,
    before,
  };
}

function checkOneOf(name: string, value: unknown, known: readonly string[]): void {
  if (typeof value === 'string' && known.includes(value)) return;
  throw new InputError(`${name} must be ${known.map((one) => JSON.stringify(one)).join(' or ')}, found ${describeValue(value)}.`);
}

/** Where one of both is named, the other is as if nothing were cut or drawn. */
function samplingOf(name: string, given: Partial<TalkSampling> | undefined, usual: TalkSampling): TalkSampling {
  if (given === undefined) return usual;
  checkOptionNames(given, SAMPLING_NAMES, name);
  const { temperature = 1, topK = 0 } = given;
  if (typeof temperature !== 'number' || !(temperature >= 0 && Number.isFinite(temperature)))
    throw new InputError(`${name}.temperature must be a number of at least 0, found ${describeNumber(temperature)}.`);
  checkInteger(`${name}.topK`, topK, { min: 0 });
  return { temperature, topK };
}
