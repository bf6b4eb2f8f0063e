/** Long sounds through a decoder that says what it is told: windows, contexts, fallback, silence. */
import { describe, expect, it } from 'vitest';
import { testSound } from '../../../../test/sound-pieces.ts';
import type { ProgressEvent } from '../../../tensor/progress.ts';
import type { HeardSound, SoundStep } from '../../sound-decoder.ts';
import { createSpeechModel } from '../speech-model.ts';
import type { SpeechModel } from '../speech-model.ts';
import type { TranscribeOptions } from '../transcribe-options.ts';
import type { WhisperTokens } from './whisper-tokens.ts';
import { createWhisperRecogniser } from './whisper-recogniser.ts';

const [VOCAB, END, TS] = [102, 30, 41];
const TOKENS: WhisperTokens = {
  vocabSize: VOCAB, endOfText: END, startOfTranscript: 31, languages: new Map([['en', 32], ['de', 33]]), translate: 34, transcribe: 35,
  startOfLm: 36, startOfPrevious: 37, noSpeech: 38, noTimestamps: 40, firstTimestamp: TS,
};
/** The timestamp of so many hundredths of a second. */
const at = (hundredths: number): number => TS + hundredths / 2;

/** By window and attempt: what is said; `silent` for an unsure answer over what sounds like nobody. */
type Script = readonly (readonly (readonly number[] | 'silent')[])[];

interface Told {
  readonly model: SpeechModel;
  /** Of each attempt. */
  readonly prompts: number[][];
  readonly windows: Float32Array[];
}

function told(script: Script): Told {
  const prompts: number[][] = [];
  const windows: Float32Array[] = [];
  interface Sound extends HeardSound {
    length: number;
    attempt: number;
    prompt: number;
    readonly window: number;
  }
  const next = (sound: Sound): number | undefined => {
    const answer = script[sound.window]?.[Math.max(0, sound.attempt)] ?? [];
    return answer === 'silent' ? undefined : (answer[sound.length - sound.prompt] ?? END);
  };
  const logitsOf = (sound: Sound): Float32Array => {
    const logits = new Float32Array(VOCAB);
    const id = next(sound);
    if (id !== undefined) logits[id] = 12;
    return logits;
  };
  const decoder = {
    vocabSize: VOCAB, contextLength: 100,
    async hear(rows: ArrayLike<number>) {
      windows.push(Float32Array.from(rows));
      const sound: Sound = {
        memory: 60, length: 0, attempt: -1, prompt: 0, window: windows.length - 1, close() {},
        rewind() {
          this.length = 0;
        },
      };
      return sound;
    },
    async logits([step]: readonly SoundStep[]) {
      const sound = step!.sound as Sound;
      const tokens = Array.from(step!.tokens);
      sound.length += tokens.length;
      const isLanguage = tokens.length === 1 && tokens[0] === TOKENS.startOfTranscript;
      if (isLanguage) return new Float32Array(VOCAB).fill(1, 33, 34);
      if (tokens.length > 1) {
        prompts.push(tokens);
        sound.attempt++;
        sound.prompt = tokens.length;
      }
      const isSilent = script[sound.window]?.[0] === 'silent';
      return Float32Array.from(step!.outputs.flatMap((output) => {
        const logits = logitsOf(sound);
        if (tokens[output] === TOKENS.startOfTranscript && isSilent) logits[TOKENS.noSpeech] = 20;
        return [...logits];
      }));
    },
    branch(): HeardSound {
      throw new Error('no beams here');
    },
    /** Each token looks at where it is in the answer: 10 positions on from the one before. */
    async align(sound: HeardSound, tokens: ArrayLike<number>) {
      const first = Array.from(tokens).indexOf(TOKENS.transcribe) + 1;
      const head = new Float32Array(tokens.length * sound.memory);
      for (let i = 0; i < tokens.length; i++) {
        for (let position = 0; position < sound.memory; position++)
          head[i * sound.memory + position] = Math.exp(-((position - 10 * (i - first) - 5) ** 2) / 20);
      }
      return [head];
    },
    async dispose() {},
  };
  const tokenizer = {
    encode: (text: string) => text.trim().split(' ').map(Number),
    decode: (ids: Iterable<number>) => Array.from(ids, (id) => ` w${id}`).join(''),
  };
  const rules = { suppressed: [34, 35, 36, 37, 38, 31], suppressedFirst: [END], timestamps: { mostInitial: 50 } };
  const openDetector = async (): Promise<never> => {
    throw new Error('no detector here');
  };
  const recogniser = createWhisperRecogniser({ decoder, tokenizer, tokens: TOKENS, rules, mel: { bands: 80, rows: 120 }, openDetector });
  const memory = { weightBytes: 0, kvBytes: 0, workBytes: 0 };
  const model = createSpeechModel({ name: 'x', architecture: 'whisper', device: 'none', memory, warnings: [] }, recogniser);
  return { model, prompts, windows };
}

/** 0.5 s and 1.2 s of a window, then others. */
const SCRIPT: Script = [
  [[at(0), 1, 2, at(50), at(50), 3, 4]],
  [[at(0), 5, at(100)]],
  [[at(0), ...new Array<number>(40).fill(9), at(20)], [at(10), 6, at(20)]],
  ['silent'],
  [[at(0), 7, at(40)]],
];
const sound = { samples: testSound(16_000 * 4.5), sampleRate: 16_000 };

describe('a long sound', () => {
  it('is heard window after window, from where the last whole segment ended', async () => {
    const { model, prompts, windows } = told(SCRIPT);
    const events: ProgressEvent[] = [];
    const transcript = await model.transcribe(sound, { onProgress: (event) => void events.push(event) });
    expect(transcript).toMatchObject({ language: 'de', seconds: 4.5, text: 'w1 w2 w5 w6 w7' });
    // Windows begin at 0, 0.5, 1.7, 2.9 and 4.1 s.
    expect(transcript.segments.map(({ start, end }) => [start, end].map((time) => Math.round(time * 100)))).toEqual([
      [0, 50], [50, 150], [170, 190], [410, 450],
    ]);
    expect(windows.map(({ length }) => length)).toEqual(new Array(5).fill(120 * 80));
    expect(prompts).toEqual([
      [31, 33, 35],
      [37, at(0), 1, 2, at(50), 31, 33, 35],
      [37, at(0), 1, 2, at(50), at(0), 5, at(100), 31, 33, 35],
      [37, at(0), 1, 2, at(50), at(0), 5, at(100), 31, 33, 35],
      [37, at(0), 1, 2, at(50), at(0), 5, at(100), at(10), 6, at(20), 31, 33, 35],
      [37, at(0), 1, 2, at(50), at(0), 5, at(100), at(10), 6, at(20), 31, 33, 35],
    ]);
    expect(events.map(({ loaded }) => Math.round(loaded * 100))).toEqual([0, 50, 170, 290, 410, 450, 450]);
  });

  it('has times of words where they are asked for', async () => {
    const { segments } = await told([[[at(0), 1, 2, at(50), at(50), 3, at(100)]]]).model.transcribe(
      { samples: testSound(16_000 * 1.2), sampleRate: 16_000 }, { language: 'en', timestamps: 'words' },
    );
    const rounded = segments.map(({ words }) => words?.map(({ start, end, text }) => [text, start, end].map((value) =>
      typeof value === 'number' ? Math.round(value * 10) / 10 : value)));
    // The rows of the answer's tokens begin to look at 0, 0.2, 0.4, ... seconds, each where the token itself ends.
    expect(rounded).toEqual([[[' w1', 0, 0.2], [' w2', 0.2, 0.4]], [[' w3', 0.8, 1]]]);
  });

  it('takes language, task and prompt as they are given', async () => {
    const { model, prompts } = told([[[at(0), 1, at(100)]]]);
    const short = { samples: testSound(16_000), sampleRate: 16_000 };
    const { language } = await model.transcribe(short, { language: 'en', task: 'translate', prompt: '11 12' });
    expect(language).toBe('en');
    expect(prompts).toEqual([[37, 11, 12, 31, 32, 34]]);
  });

  it('nothing, one sample and a stop', async () => {
    for (const length of [0, 1])
      expect((await told(SCRIPT).model.transcribe({ samples: new Float32Array(length), sampleRate: 16_000 })).segments).toEqual([]);
    const controller = new AbortController();
    const onProgress = ({ loaded }: ProgressEvent): void => {
      if (loaded > 0.4) controller.abort(new Error('enough'));
    };
    await expect(told(SCRIPT).model.transcribe(sound, { signal: controller.signal, onProgress })).rejects.toThrow('enough');
  });

  it('an answer that ends at 0.00 does not begin the same window for ever', async () => {
    const { model, windows } = told([[[at(0), at(0)]], [[at(0), 3, at(20)]]]);
    await model.transcribe({ samples: testSound(16_000 * 2), sampleRate: 16_000 });
    expect(windows.length).toBe(2);
  });

  it.each([
    [{ language: 'fr' }, 'language must be one of en, de'], [{ timestamps: 'letters' }, 'timestamps must be "segments" or "words"'],
    [{ pieceSeconds: 3 }, 'windows of 30 s'],
    [{ task: 'sing' }, 'task must be'], [{ prompt: 3 }, 'prompt must be a text'],
  ])('refuses %j', async (options, message) => {
    await expect(told(SCRIPT).model.transcribe(sound, options as unknown as TranscribeOptions)).rejects.toThrow(message);
  });
});
