import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasShared } from '../../../test/fixture-tensors.ts';
import { LFM2_AUDIO_FOLDER, LFM2_AUDIO_GOLDEN } from '../../../test/lfm2-audio-golden.ts';
import { letterTokenizer } from '../../../test/letter-text.ts';
import { loadTalkEngine, talkState } from '../../../test/talk-golden.ts';
import { convertFile } from '../../node/convert.ts';
import { loadModel } from '../../node/load-model.ts';
import { loadTalkModel } from '../../node/load-talk-model.ts';
import { createReferenceExecutor } from '../../reference/reference-executor.ts';
import { createTalkFlow } from './talk-flow.ts';
import type { TalkModel } from './talk-model.ts';
import type { TalkOutput } from './talk.ts';

/** Of which the small model's answers are long: of most texts its random weights say little. */
const tokenizer = letterTokenizer(163, 11);

async function load(path = LFM2_AUDIO_FOLDER): Promise<TalkModel> {
  return loadTalkModel(path, { device: 'reference', tokenizer, contextLength: 512, mostSeconds: 2 });
}

interface Answer {
  readonly text: string;
  readonly samples: Float32Array;
  readonly end: Extract<TalkOutput, { kind: 'end' }>;
}

async function answerOf(outputs: AsyncIterable<TalkOutput>): Promise<Answer> {
  const all: TalkOutput[] = [];
  for await (const output of outputs) all.push(output);
  return {
    text: all.map((output) => (output.kind === 'text' ? output.text : '')).join(''),
    samples: Float32Array.from(all.flatMap((output) => (output.kind === 'samples' ? [...output.samples] : []))),
    end: all.at(-1) as Answer['end'],
  };
}

const tone = (seconds: number, rate = 16_000) => ({
  samples: Float32Array.from({ length: Math.round(seconds * rate) }, (_, t) => 0.3 * Math.sin(t / 9)), sampleRate: rate,
});

describe.skipIf(!hasShared(LFM2_AUDIO_GOLDEN))('a conversation', () => {
  let model: TalkModel;
  beforeAll(async () => {
    model = await load();
  });
  afterAll(() => model.dispose());

  test('answers a sound with text and speech, 1,920 samples a frame', async () => {
    const { text, samples, end } = await answerOf(model.talk({ sound: tone(0.5) }, { maxTokens: 20, seed: 3 }));
    const { frames, textTokens, heardSeconds, keptTokens } = end.usage;
    expect(end.reason).toBe('length');
    expect(text).not.toBe('');
    expect(frames).toBeGreaterThan(5);
    expect(samples.length).toBe(1920 * frames);
    // A frame that ends speech is none of them.
    expect(frames + textTokens).toBeLessThanOrEqual(20);
    expect(heardSeconds).toBe(0.5);
    expect(keptTokens).toBe(0);
  });

  test('goes on from what is there: a second turn is answered as if all had been read at once', async () => {
    const talk = model.open({ task: 'transcribe' });
    const first = await answerOf(talk.say({ text: 'hello' }, { maxTokens: 4 }));
    expect(first.end.usage.frames).toBe(0);
    const kept = talk.length;
    const second = await answerOf(talk.say({ text: 'now' }, { maxTokens: 4 }));
    expect(second.end.usage).toMatchObject({ keptTokens: kept, frames: 0 });
    talk.close();
    const said = (text: string) => `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`;
    const whole = `<|im_start|>system\nPerform ASR.<|im_end|>\n${said('hello')}${first.text}<|im_end|>\n${said('now')}`;
    const engine = await loadTalkEngine(createReferenceExecutor(), { contextLength: 512 });
    const greedy = { temperature: 0, topK: 0 };
    const flow = createTalkFlow({ kind: 'sequential' }, engine.endOfAudio);
    const tokens: number[] = [];
    const options = { flow, text: greedy, audio: greedy, seed: 0, mostSteps: 4 };
    for await (const { events } of engine.answer(talkState(engine), [{ tokens: tokenizer.encode(whole) }], options))
      tokens.push(...events.map((event) => ('token' in event ? event.token : -1)));
    expect(tokenizer.decode(tokens)).toBe(second.text);
    await engine.dispose();
  });

  test('keeps what was heard of an answer, and says the same again from there', async () => {
    const settings = { audio: { temperature: 0, topK: 0 } } as const;
    const [whole, cut] = [model.open(settings), model.open(settings)];
    const all = await answerOf(whole.say({ text: 'tell-me' }, { maxTokens: 9 }));
    expect(all.end.usage.frames).toBe(5);
    // Of the first frames of the answer, then all of it again: both conversations are then as long as what was heard of them.
    await answerOf(cut.say({ text: 'tell-me' }, { maxTokens: 9 }));
    cut.keepHeard(1);
    whole.keepHeard(1e9);
    const turn = { text: 'hello' };
    const [next, other] = [await answerOf(cut.say(turn, { maxTokens: 3 })), await answerOf(whole.say(turn, { maxTokens: 3 }))];
    // Four frames of five were not heard.
    expect(whole.length - cut.length).toBe(4);
    const follows = ({ end: { usage: { inputTokens, keptTokens } } }: Answer) => inputTokens + keptTokens;
    expect(follows(other) - follows(next)).toBe(4);
    whole.close();
    cut.close();
  });

  test('an answer that is left or aborted stays as far as it came, and the next turn follows it', async () => {
    const talk = model.open();
    for await (const output of talk.say({ text: 'hello' }, { maxTokens: 20 })) if (output.kind === 'text') break;
    const controller = new AbortController();
    const aborted = (async () => {
      for await (const output of talk.say({ text: 'again' }, { maxTokens: 20, signal: controller.signal }))
        if (output.kind === 'text') controller.abort(new Error('enough'));
    })();
    await expect(aborted).rejects.toThrow('enough');
    expect((await answerOf(talk.say({ text: 'now' }, { maxTokens: 3 }))).end.usage.textTokens).toBe(3);
    talk.close();
    await expect(answerOf(talk.say({ text: 'now' }))).rejects.toThrow('closed');
  });

  test('is built anew from what was said: the next answer is the same, of text and of speech', async () => {
    const first = { text: 'tell-me', sound: tone(0.3) };
    const settings = { audio: { temperature: 0, topK: 0 } } as const;
    const whole = model.open(settings);
    await answerOf(whole.say(first, { maxTokens: 9 }));
    const before = [{ role: 'user', turn: first }, { role: 'assistant', said: whole.said }] as const;
    const again = model.open({ ...settings, before });
    const [wanted, found] = [
      await answerOf(whole.say({ text: 'hello' }, { maxTokens: 9 })), await answerOf(again.say({ text: 'hello' }, { maxTokens: 9 })),
    ];
    expect([found.text, found.samples.length]).toEqual([wanted.text, wanted.samples.length]);
    expect(found.samples).toEqual(wanted.samples);
    expect(again.length).toBe(whole.length);
    expect(found.end.usage.keptTokens).toBe(0);
    // The speech of the answer is read, not its text alone.
    const text = (await answerOf(model.talk(first, { ...settings, maxTokens: 9 }))).text;
    const ofText = model.open({ ...settings, before: [{ role: 'user', turn: first }, { role: 'assistant', text }] });
    await answerOf(ofText.say({ text: 'hello' }, { maxTokens: 9 }));
    expect(ofText.length).toBeLessThan(whole.length);
    for (const one of [whole, again, ofText]) one.close();
  });

  test('a turn that does not fit leaves a conversation as it was, and an answer ends where the context does', async () => {
    const [talk, other] = [model.open(), model.open()];
    await expect(answerOf(talk.say({ text: 'a'.repeat(600) }))).rejects.toThrow(/positions, and 512 fit/);
    expect(talk.length).toBe(0);
    const turn = { text: 'b'.repeat(120) };
    const [found, wanted] = [await answerOf(talk.say(turn, { maxTokens: 9 })), await answerOf(other.say(turn, { maxTokens: 9 }))];
    expect(found.text).toBe(wanted.text);
    expect(found.end.usage).toEqual(wanted.end.usage);
    other.close();
    expect(() => talk.keepHeard(NaN)).toThrow(/samples must be a number/);
    // What was heard is read anew, and counts before the next answer.
    talk.keepHeard(1);
    const next = await answerOf(talk.say({ text: 'hello' }));
    expect(next.end.usage.textTokens + next.end.usage.frames).toBeGreaterThan(0);
    expect(talk.length).toBeLessThanOrEqual(512);
    talk.close();
  });

  test.each([
    ['nothing said', {}, {}, /a text or a sound, found neither/],
    ['an empty sound', { sound: tone(0) }, {}, /sound is empty/],
    ['a long sound', { sound: tone(3) }, {}, /longer than 2 s \(3\.0 s\)/],
    ['a sound that is none', { sound: { samples: Float32Array.of(0, NaN), sampleRate: 16_000 } }, {}, /sample 1 of 2 is NaN/],
    ['another task', { text: 'a' }, { task: 'sing' }, /task must be "converse" or "transcribe" or "speak", found string "sing"/],
    ['a voice that is not asked for', { text: 'a' }, { voice: 'us-male' }, /voice is for the task "speak"/],
    ['what was said that is no list', { text: 'a' }, { before: 'hi' }, /before must be a list of turns/],
    ['both ways to name a voice', { text: 'a' }, { task: 'speak', voice: 'us-male', system: 'x' }, /Leave one out/],
    ['an odd temperature', { text: 'a' }, { audio: { temperature: -1 } }, /audio\.temperature must be a number of at least 0, found -1/],
    ['an odd name', { text: 'a' }, { temperature: 1 }, /talk has no option "temperature"/],
    ['no tokens', { text: 'a' }, { maxTokens: 0 }, /maxTokens must be an integer of at least 1, found 0/],
    ['a text beyond the context', { text: 'a'.repeat(600) }, {}, /positions, and 512 fit/],
  ] as const)('refuses %s', async (_, turn, options, message) => {
    await expect(answerOf(model.talk(turn, options as object))).rejects.toThrow(message);
  });

  test('takes one sample, silence, another rate and what is beyond full scale', async () => {
    const loud = tone(0.3);
    const sounds = [
      { samples: Float32Array.of(0.5), sampleRate: 16_000 }, { samples: new Float32Array(8000), sampleRate: 16_000 }, tone(0.4, 44_100),
      { ...loud, samples: loud.samples.map((sample) => 9 * sample) },
    ];
    for (const sound of sounds) {
      const { end } = await answerOf(model.talk({ sound }, { maxTokens: 2 }));
      expect(end.usage.textTokens).toBe(2);
    }
  });

  test('is the same from the GGUF file that convert makes, which is no model of text', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ingot-talk-'));
    try {
      const path = join(folder, 'talk.gguf');
      await convertFile(LFM2_AUDIO_FOLDER, path, { type: 'f32', vocabulary: 'none' });
      await expect(loadModel(path, { device: 'reference' })).rejects.toThrow(/loadTalkModel, or "ingot talk"/);
      const other = await load(path);
      const turn = { text: 'what', sound: tone(0.4) };
      const options = { maxTokens: 12, seed: 5 };
      const [wanted, found] = [await answerOf(model.talk(turn, options)), await answerOf(other.talk(turn, options))];
      expect(found.text).toBe(wanted.text);
      expect(found.samples.length).toBe(wanted.samples.length);
      found.samples.forEach((sample, i) => expect(Math.abs(sample - wanted.samples[i]!)).toBeLessThan(1e-5));
      await other.dispose();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
