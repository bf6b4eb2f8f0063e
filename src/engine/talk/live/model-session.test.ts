/** Live talk with LFM2-Audio itself: the goldens' small model, a detector by loudness, a loudspeaker whose clock the test moves. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasShared } from '../../../../test/fixture-tensors.ts';
import { LFM2_AUDIO_FOLDER, LFM2_AUDIO_GOLDEN } from '../../../../test/lfm2-audio-golden.ts';
import { letterTokenizer } from '../../../../test/letter-text.ts';
import { loudnessDetector } from '../../../../test/scripted-cascade.ts';
import { simulatedPlayer } from '../../../../test/simulated-player.ts';
import { follow, ofKind, RATE, silence, until } from '../../../../test/talk-session.ts';
import { loadTalkModel } from '../../../node/load-talk-model.ts';
import type { TalkModel } from '../talk-model.ts';
import type { TalkOutput } from '../talk.ts';
import type { TalkTurn } from '../talk-turns.ts';
import { createModelTalker } from './model-talker.ts';
import { modelSession } from './model-session.ts';
import { newRecord } from './session-history.ts';
import type { Talker } from './talker.ts';

/** Loud from the first sample of each of the detector's frames on, and no frame like another. */
const speech = (ms: number) => ({
  samples: Float32Array.from({ length: (RATE * ms) / 1000 }, (_, t) => (t % 512 === 0 ? 0.9 : 0.3 * Math.sin(t / 9 + t * t / 1e7))),
  sampleRate: RATE,
});
const SETTINGS = { temperature: 0, maxTokens: 12 } as const;

describe.skipIf(!hasShared(LFM2_AUDIO_GOLDEN))('live talk with LFM2-Audio', () => {
  let model: TalkModel;
  let talker: Talker;
  beforeAll(async () => {
    const options = { device: 'cpu', threads: 1, tokenizer: letterTokenizer(163, 11), contextLength: 512, mostSeconds: 3 } as const;
    model = await loadTalkModel(LFM2_AUDIO_FOLDER, options);
    talker = createModelTalker(model, loudnessDetector());
  });
  afterAll(() => model.dispose());

  type Before = NonNullable<NonNullable<Parameters<TalkModel['open']>[0]>['before']>;
  async function answerTo(before: Before, turn: TalkTurn) {
    const talk = model.open({ before, text: { temperature: 0, topK: 0 } });
    const outputs: TalkOutput[] = [];
    for await (const output of talk.say(turn, { maxTokens: SETTINGS.maxTokens })) outputs.push(output);
    const { said, length } = talk;
    talk.close();
    const text = outputs.map((output) => (output.kind === 'text' ? output.text : '')).join('');
    return { said, length, text, end: outputs.at(-1) as Extract<TalkOutput, { kind: 'end' }> };
  }

  it('hears a turn as it comes: its answer is that of the whole sound', async () => {
    const session = talker.open(SETTINGS);
    const { events } = follow(session);
    const said = speech(1024);
    for (let at = 0; at < said.samples.length; at += 700)
      await session.hear({ samples: said.samples.subarray(at, at + 700), sampleRate: RATE });
    await session.hear(silence(1000));
    await session.idle();
    const [committed] = ofKind(events, 'committed');
    const length = Math.round((committed!.endMs * RATE) / 1000);
    const samples = Float32Array.of(...said.samples, ...new Float32Array(RATE)).subarray(0, length);
    const wanted = await answerTo([], { sound: { samples, sampleRate: RATE } });
    expect(session.history[1]!.text).toBe(wanted.text);
    expect(session.history[1]!.text).not.toBe('');
    expect(ofKind(events, 'answer-done')[0]!.usage).toMatchObject({
      inputTokens: wanted.end.usage.inputTokens, heardTokens: wanted.end.usage.heardTokens, textTokens: wanted.end.usage.textTokens,
    });
    expect(wanted.end.usage.heardTokens).toBeGreaterThan(0);
    await session.close();
  });

  it('an interruption leaves what was heard of an answer, and the next answer follows that', async () => {
    const player = simulatedPlayer(200);
    const session = talker.open({ ...SETTINGS, maxTokens: 60, player });
    const { events } = follow(session);
    session.add({ role: 'user', text: 'tell-me' });
    session.respond();
    await until(() => {
      player.advance(8);
      return player.played >= 0.17 * 24_000;
    });
    await session.hear(speech(512));
    await until(() => ofKind(events, 'truncated').length === 1);
    const [{ audioEndMs, text }] = ofKind(events, 'truncated') as [ReturnType<typeof ofKind<'truncated'>>[number]];
    expect(audioEndMs).toBeGreaterThan(100);
    expect(audioEndMs).toBeLessThan(300);
    expect(session.history[1]).toMatchObject({ role: 'assistant', status: 'incomplete', text });
    const [done] = ofKind(events, 'answer-done');
    expect(done).toMatchObject({ status: 'cancelled', reason: 'interrupted' });
    expect(done!.item.text.startsWith(text)).toBe(true);
    session.update({ answersTurns: false });
    await session.clear();
    session.add({ role: 'user', text: 'hello' });
    session.respond({ maxTokens: 3 });
    await until(() => ofKind(events, 'answer-done').length === 2);
    // Frames that were heard, and no more.
    const whole = (await answerTo([], { text: 'tell-me' })).said;
    const kept = model.cutToHeard(whole, (audioEndMs * 24_000) / 1000);
    const fresh = await answerTo([{ role: 'user', turn: { text: 'tell-me' } }, { role: 'assistant', said: kept.said }], { text: 'hello' });
    expect(kept.text).toBe(text);
    expect(ofKind(events, 'answer-done')[1]!.usage.inputTokens).toBe(fresh.end.usage.inputTokens);
    await session.close();
  });

  it('answers follow the items as they are: put in, taken out, cut', async () => {
    const session = talker.open({ ...SETTINGS, turns: 'none' });
    const { events } = follow(session);
    const answered = async (text: string) => {
      session.add({ role: 'user', text });
      session.respond();
      await session.idle();
      return session.history.at(-1)!;
    };
    const [first, second] = [await answered('one'), await answered('two')];
    const one = await answerTo([], { text: 'one' });
    expect(first.text).toBe(one.text);
    const known = ofKind(events, 'answer-done')[1]!.usage;
    expect(known.cachedTokens).toBeGreaterThan(0);
    // The older answer is cut to its first two frames, and what was said next taken out.
    session.truncate(first.id, 160);
    session.remove(session.history[2]!.id);
    session.remove(second.id);
    session.add({ role: 'assistant', text: 'well' });
    const third = await answered('three');
    const cut = model.cutToHeard(one.said, 0.16 * 24_000);
    expect(cut.said.length).toBeLessThan(one.said.length);
    const begins = { role: 'user', turn: { text: 'one' } } as const;
    const said = [begins, { role: 'assistant', said: cut.said }, { role: 'assistant', text: 'well' }] as const;
    const wanted = await answerTo(said, { text: 'three' });
    expect(third.text).toBe(wanted.text);
    expect(ofKind(events, 'answer-done')[2]!.usage).toMatchObject({ cachedTokens: 0, inputTokens: wanted.end.usage.inputTokens });
    expect(() => session.add({ role: 'system', text: 'x' })).toThrow(/takes items of role user and assistant, found system/);
    await session.close();
  });

  it('an item that is put in anew under its id is another: what was said before is read again', async () => {
    const session = talker.open({ ...SETTINGS, turns: 'none' });
    const { events } = follow(session);
    session.add({ id: 'mine', role: 'user', text: 'one' });
    session.respond();
    await session.idle();
    const { said } = await answerTo([], { text: 'one' });
    session.remove('mine');
    session.add({ id: 'mine', role: 'user', text: 'nothing like it' }, { after: 'root' });
    session.add({ role: 'user', text: 'two' });
    session.respond();
    await session.idle();
    const before = [{ role: 'user', turn: { text: 'nothing like it' } }, { role: 'assistant', said }] as const;
    const wanted = await answerTo(before, { text: 'two' });
    expect(ofKind(events, 'answer-done')[1]!.usage).toMatchObject({ cachedTokens: 0, inputTokens: wanted.end.usage.inputTokens });
    expect(session.history.at(-1)!.text).toBe(wanted.text);
    await session.close();
  });

  it('an answer apart leaves the conversation as it is, with its items or others', async () => {
    const session = talker.open({ ...SETTINGS, turns: 'none' });
    const { events } = follow(session);
    session.add({ role: 'user', text: 'one' });
    session.respond();
    await session.idle();
    const before = session.history;
    session.respond({}, { isApart: true, items: [{ itemId: before[0]!.id }, { role: 'user', text: 'two' }] });
    session.respond({}, { isApart: true, items: [{ role: 'user', text: 'three' }] });
    await session.idle();
    expect(session.history).toEqual(before);
    const done = ofKind(events, 'answer-done');
    expect(done.map(({ item }) => item.text)).toEqual([
      before[1]!.text, (await answerTo([], { text: 'one\ntwo' })).text, (await answerTo([], { text: 'three' })).text,
    ]);
    // The state of the conversation is still there.
    session.add({ role: 'user', text: 'four' });
    session.respond();
    await session.idle();
    expect(ofKind(events, 'answer-done')[3]!.usage.cachedTokens).toBeGreaterThan(0);
    expect(() => session.respond({}, { isApart: true, items: [{ itemId: 'none' }] })).toThrow(/no item/);
    await session.close();
  });
});

describe('the state that a session keeps', () => {
  /** Conversations that say a word to each turn, or fail before they take it. */
  function wordyModel() {
    const seen = { opened: 0, closed: 0, fails: { open: false, say: false } };
    const open = () => {
      if (seen.fails.open) throw new Error('no room');
      seen.opened++;
      let isClosed = false;
      const talk = {
        said: [] as object[],
        async *say() {
          if (isClosed) throw new Error('it is closed');
          if (seen.fails.say) throw new Error('not taken');
          talk.said = [{ token: 1 }];
          yield { kind: 'text', text: 'word' };
        },
        close() {
          isClosed = true;
          seen.closed++;
        },
      };
      return talk;
    };
    return { seen, session: modelSession({ open } as unknown as TalkModel) };
  }
  const user = (id: string) => newRecord(id, 'user', { text: id });
  const run = async (session: ReturnType<typeof modelSession>, request: Partial<Parameters<typeof session.answer>[0]>) => {
    const record = newRecord('answer', 'assistant');
    const signal = new AbortController().signal;
    for await (const _ of session.answer({ items: [], settings: {}, record, isApart: false, signal, ...request })) void _;
    return record;
  };

  it('goes on from an answer, but not from a turn that the model had not taken before an abort', async () => {
    const { seen, session } = wordyModel();
    const items = [user('one')];
    items.push(await run(session, { items }), user('two'));
    items.push(await run(session, { items }), user('three'));
    expect(seen.opened).toBe(1);
    seen.fails.say = true;
    const record = newRecord('late', 'assistant');
    await expect(run(session, { items, record, signal: AbortSignal.abort() })).rejects.toThrow('not taken');
    seen.fails.say = false;
    await run(session, { items: [...items, record, user('four')] });
    expect(seen).toMatchObject({ opened: 2, closed: 1 });
  });

  it('opens another where one could not be opened, and closes each once', async () => {
    const { seen, session } = wordyModel();
    const items = [user('one')];
    const more = [...items, await run(session, { items }), user('two')];
    seen.fails.open = true;
    await expect(run(session, { items: more, settings: { seed: 3 } })).rejects.toThrow('no room');
    seen.fails.open = false;
    await run(session, { items: more });
    session.close();
    expect(seen).toMatchObject({ opened: 2, closed: 2 });
  });
});
