/** Sessions of a scripted cascade: calls, settings, failures, and odd input. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { loudnessDetector, scriptedEars, scriptedModel, scriptedVoice } from '../../../../test/scripted-cascade.ts';
import { simulatedPlayer } from '../../../../test/simulated-player.ts';
import { cascade, follow, kinds, loudFrames, ofKind, RATE, silence, speech, tick, until, written } from '../../../../test/talk-session.ts';
import type { Talker, TalkSessionEvent } from '../live/talker.ts';
import { createCascade } from './cascade.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

describe('a session', () => {
  const open = (options: Parameters<Talker['open']>[0] = {}, write: Parameters<typeof scriptedModel>[0] = () => written('Yes.')) => {
    const { talker, asked } = cascade(write);
    const session = talker.open(options);
    return { session, asked, ...follow(session) };
  };

  it('waits for commit where there is no turn taking', async () => {
    const { session, events, asked } = open({ turns: 'none' });
    await expect(session.commit()).rejects.toThrow(/no turn to commit/);
    await session.hear(speech(500));
    await session.hear(silence(2000));
    expect(asked).toEqual([]);
    const id = await session.commit();
    await session.idle();
    expect(session.history[0]).toMatchObject({ id, audioMs: 2500, text: 'hello there' });
    expect(kinds(events).filter((kind) => kind.startsWith('speech'))).toEqual([]);
    await session.hear(speech(300));
    await session.clear();
    await expect(session.commit()).rejects.toThrow(/no turn to commit/);
    await session.close();
  });

  it('ends a turn that goes on by commit, and forgets one by clear', async () => {
    const { session, events } = open();
    await session.hear(speech(600));
    expect(session.isHearing).toBe(true);
    await session.commit();
    await session.idle();
    expect(session.history.length).toBe(2);
    await session.hear(speech(600));
    await session.clear();
    await session.hear(silence(1000));
    await session.idle();
    expect(session.history.length).toBe(2);
    expect(ofKind(events, 'speech-started').length).toBe(2);
    await session.close();
  });

  it('answers when it is asked, with settings of that answer', async () => {
    const { session, events, asked } = open({ answersTurns: false });
    await session.hear(speech(500));
    await session.hear(silence(900));
    await session.idle();
    expect(asked).toEqual([]);
    const id = session.respond({ system: 'Be short.', speaks: false });
    await session.idle();
    expect(ofKind(events, 'answer-done')[0]).toMatchObject({ answerId: id, usage: { spokenMs: 0 } });
    expect(ofKind(events, 'answer-audio')).toEqual([]);
    expect(asked[0]![0]).toEqual({ role: 'system', content: 'Be short.' });
    await session.close();
  });

  it('one who speaks on is answered when they are done', async () => {
    let release: (text: string) => void = () => {};
    const { model, asked } = scriptedModel(() => written('Yes.'));
    // The first turn is heard when the second is being said.
    let calls = 0;
    const first = () => new Promise<string>((resolve) => void (release = resolve));
    const ears = scriptedEars((samples) => (samples.length < 24_000 ? first() : `second ${++calls}`));
    const talker = createCascade({ ears, model, voice: scriptedVoice(100), detector: loudnessDetector() });
    const session = talker.open();
    const { events } = follow(session);
    await session.hear(speech(320));
    await session.hear(silence(640));
    await session.hear(speech(2000));
    release('first');
    await until(() => ofKind(events, 'input-text').some(({ isFinal }) => isFinal));
    await tick();
    expect(asked).toEqual([]);
    await session.hear(silence(900));
    await session.idle();
    expect(asked.length).toBe(1);
    expect(asked[0]!.at(-1)!.content).toMatch(/^first\nsecond \d$/);
    await session.close();
  });

  it('stays usable when hearing, writing or speaking fails', async () => {
    let call = 0;
    const { model, asked } = scriptedModel(async function* (n) {
      yield 'Some words. And';
      if (n === 0) throw new Error('out of memory');
      yield ' more.';
    });
    const ears = scriptedEars(() => {
      if (call++ === 0) throw new Error('deaf');
      return 'now';
    });
    let sentences = 0;
    const voice = scriptedVoice(100, () => {
      if (sentences++ === 2) throw new Error('hoarse');
    });
    const session = createCascade({ ears, model, voice, detector: loudnessDetector() }).open({ turns: 'none' });
    const { events } = follow(session);
    await session.hear(speech(300));
    await session.commit();
    await session.idle();
    expect(ofKind(events, 'input-failed').map(({ error }) => (error as Error).message)).toEqual(['deaf']);
    for (const _ of [1, 2, 3]) {
      await session.hear(speech(300));
      await session.commit();
      await session.idle();
    }
    const ends = ofKind(events, 'answer-done');
    expect(ends.map(({ status, ...rest }) => [status, 'error' in rest ? (rest.error as Error).message : ''])).toEqual([
      ['failed', 'out of memory'], ['failed', 'hoarse'], ['completed', ''],
    ]);
    expect(asked.length).toBe(3);
    expect(session.history.at(-1)!.text).toBe('Some words. And more.');
    await session.close();
  });

  it('takes items of any role anywhere, and forgets them', async () => {
    const { session, asked } = open({ items: [{ role: 'user', text: 'a' }, { role: 'assistant', text: 'b' }] });
    const id = session.add({ role: 'system', text: 'c' }, { after: session.history[0]!.id });
    session.add({ role: 'user', sound: speech(200), id: 'mine' });
    expect(() => session.add({ role: 'user', text: 'x', id: 'mine' })).toThrow(/There is an item string "mine" already/);
    session.respond();
    await session.idle();
    expect(asked[0]!.slice(1).map(({ role, content }) => `${role} ${String(content)}`)).toEqual(
      ['user a', 'system c', 'assistant b', 'user hello there'],
    );
    session.remove(id);
    expect(session.history.map(({ text }) => text)).toEqual(['a', 'b', 'hello there', 'Yes.']);
    expect(() => session.remove(id)).toThrow(/There is no item string "item_3"/);
    session.add({ role: 'system', text: 'first' }, { after: 'root' });
    const call = { id: 'call_1', name: 'look', arguments: {} };
    session.add({ role: 'user', text: 'look!' });
    session.add({ role: 'assistant', toolCalls: [call] });
    session.add({ role: 'tool', callId: 'call_1', text: 'a tree' });
    expect(() => session.add({ role: 'assistant' })).toThrow(/An item of role assistant needs a text/);
    session.respond({ tools: [{ type: 'function', function: { name: 'look' } }] });
    await session.idle();
    expect(session.history[0]!.text).toBe('first');
    expect(asked[1]!.slice(-2)).toEqual([
      { role: 'assistant', content: '', tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: {} } }] },
      { role: 'tool', content: 'a tree', tool_call_id: 'call_1' },
    ]);
    await session.close();
  });

  it('refuses to answer nothing, and goes on', async () => {
    const { session, events } = open();
    session.add({ role: 'user', text: 'a' });
    session.respond();
    await session.idle();
    session.respond();
    await session.idle();
    expect(String((ofKind(events, 'answer-done')[1] as { error?: unknown }).error)).toMatch(/nothing to answer/);
    session.add({ role: 'user', text: 'b' });
    session.respond();
    await session.idle();
    expect(ofKind(events, 'answer-done').at(-1)).toMatchObject({ status: 'completed' });
    await session.close();
  });

  it('ends with its signal, whatever goes on', async () => {
    const controller = new AbortController();
    const { session, over, events } = open({ signal: controller.signal }, async function* (_, signal) {
      yield 'One. Two.';
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    });
    session.add({ role: 'user', text: 'a' });
    session.respond();
    await until(() => kinds(events).includes('answer-audio'));
    controller.abort(new Error('enough'));
    await expect(over).rejects.toThrow('enough');
    await expect(session.hear(speech(10))).rejects.toThrow(/session is closed/);
    await session.close();
  });

  it.each([
    ['a rate that is none', { samples: new Float32Array(4), sampleRate: 0 }, /sampleRate must be a whole number of Hz/],
    ['NaN', { samples: Float32Array.of(0, NaN), sampleRate: 16_000 }, /sample 1 of 2 is NaN/],
    ['what is no sound', { samples: [0, 1], sampleRate: 16_000 }, /samples must be a Float32Array/],
  ] as const)('refuses %s, and hears on', async (_, odd, message) => {
    const { session } = open();
    await session.hear(speech(300));
    await expect(session.hear(odd as never)).rejects.toThrow(message);
    await session.hear(speech(300));
    await session.hear(silence(900));
    await session.idle();
    expect(session.history.length).toBe(2);
    await session.close();
  });

  it('without what hears takes texts alone, without a voice answers in text', async () => {
    const { model } = scriptedModel(() => written('Yes.'));
    const talker = createCascade({ model, detector: loudnessDetector() });
    const session = talker.open();
    await expect(session.hear(speech(10))).rejects.toThrow(/writer has nothing that hears/);
    expect(() => session.add({ role: 'user', sound: speech(10) })).toThrow(/writer has nothing that hears/);
    expect(() => session.respond({ speaks: true })).toThrow(/writer has no voice: leave out speaks/);
    expect(() => session.respond({ voice: 'ann' })).toThrow(/writer has no voice: leave it out/);
    session.add({ role: 'user', text: 'a' });
    session.respond();
    await session.idle();
    expect(session.history.at(-1)).toMatchObject({ text: 'Yes.', audioMs: 0 });
    await session.close();
  });

  it.each([
    [{ voice: 'zoe' }, /no voice "zoe": there are ann, bob/],
    [{ speed: 9 }, /speed must be a number from 0.25 to 4, found number 9/],
    [{ turns: { endSilence: 1 } }, /has no option "endSilence"/],
    [{ turns: { maxTurnMs: 50_000 } }, /maxTurnMs must be at most 20000/],
    [{ loud: true }, /a session has no option "loud"/],
    [{ speaks: 1 }, /speaks must be true or false/],
    [{ maxTokens: 0 }, /maxTokens must be an integer of at least 1/],
  ] as const)('refuses the settings %j', (settings, message) => {
    const { talker } = cascade(() => written(''));
    expect(() => talker.open(settings as never)).toThrow(message);
  });
});

describe('odd input', () => {
  it.each([
    ['8 kHz', 8000, 0.9], ['44.1 kHz', 44_100, 0.9], ['96 kHz', 96_000, 0.9], ['clipped', 16_000, 9],
  ])('a turn of %s sound is heard', async (_, sampleRate, level) => {
    const lengths: number[] = [];
    const { model } = scriptedModel(() => written('Yes.'));
    const ears = scriptedEars((samples) => `${lengths.push(samples.length)}`);
    const session = createCascade({ ears, model, detector: loudnessDetector() }).open();
    await session.hear({ samples: new Float32Array(sampleRate).fill(level), sampleRate });
    // The rate may change.
    await session.hear(silence(900));
    await session.idle();
    expect(session.history.length).toBe(2);
    // A second, 200 ms behind it, to a frame.
    expect(Math.abs(lengths.at(-1)! - 19_200)).toBeLessThanOrEqual(1024);
    await session.close();
  });

  const hearTurns = async (turns: number): Promise<void> => {
    let heard = 0;
    const { model, asked } = scriptedModel(() => written('Yes.'));
    const ears = scriptedEars((samples) => {
      heard += samples.length;
      return 'word';
    });
    const quick = { ...loudnessDetector(), open: () => ({ ...loudnessDetector().open(), push: loudFrames }) };
    const session = createCascade({ ears, model, detector: quick }).open({ answersTurns: false });
    const { events } = follow(session);
    // Whole frames each.
    const [piece, pause] = [speech(7040), silence(3008)];
    // Of what is referred to: the buffers of one collection are given back by the next.
    const used = (): number => {
      for (let i = 0; i < 2; i++) collect();
      return process.memoryUsage().arrayBuffers;
    };
    const before = used();
    let most = 0;
    for (let i = 0; i < turns; i++) {
      await session.hear(piece);
      await session.hear(pause);
      if (i % 30 === 29) most = Math.max(most, used() - before);
    }
    await session.idle();
    expect(session.history.filter(({ text }) => text === 'word').length).toBe(turns);
    expect(heard / RATE).toBeGreaterThan(turns * 7);
    // Half an hour of samples is 115 MB.
    expect(most).toBeLessThan(80e6);
    session.respond();
    await session.idle();
    expect(asked[0]!.at(-1)!.content).toBe(Array.from({ length: turns }, () => 'word').join('\n'));
    expect(ofKind(events, 'committed').at(-1)!.endMs).toBeGreaterThan(turns * 10_048 - 3008);
    await session.close();
  };
  it('half an hour of speech takes the memory of a turn, and all of it is heard', () => hearTurns(180));
  it('so do ten hours', { tags: 'slow', timeout: 300_000 }, () => hearTurns(3600));

  it('an answer of 100,000 characters is spoken from its first sentence on, and nothing of it is lost', async () => {
    const sentences = Array.from({ length: 5400 }, (_, i) => `It is number ${i}. `).join('').trim();
    expect(sentences.length).toBeGreaterThan(100_000);
    let whole = false;
    const { talker } = cascade(async function* () {
      for (let at = 0; at < sentences.length; at += 100) yield sentences.slice(at, at + 100);
      whole = true;
    }, { wordMs: 1 });
    const session = talker.open();
    session.add({ role: 'user', text: 'count' });
    session.respond();
    let samples = 0;
    let isEarly = false;
    for await (const event of session.events()) {
      if (event.kind === 'answer-audio') {
        isEarly ||= !whole;
        samples += event.samples.length;
      }
      if (event.kind === 'answer-done') break;
    }
    expect(isEarly).toBe(true);
    expect(samples).toBe(5400 * 4 * 24);
    const { id } = session.history.at(-1)!;
    expect(session.history.at(-1)!.text).toBe(sentences);
    session.truncate(id, 4 * 1234 + 2);
    expect(session.history.at(-1)!.text).toMatch(/It is number 1233\. It is$/);
    await session.close();
  });

  it.each([['marks', '... !!! —'], ['nothing', ''], ['emoji', '🎉🎉']])('an answer of %s is text without speech', async (_, text) => {
    const { talker } = cascade(() => written(text));
    const session = talker.open({ player: simulatedPlayer() });
    const { events } = follow(session);
    session.add({ role: 'user', text: 'a' });
    session.respond();
    await session.idle();
    expect(ofKind(events, 'answer-done')[0]).toMatchObject({ status: 'completed', item: { text, audioMs: 0 } });
    expect(ofKind(events, 'answer-audio')).toEqual([]);
    await session.close();
  });
});

describe('talk', () => {
  it('takes what is said and gives events, until all was answered', async () => {
    const { talker, asked } = cascade((call) => written(`Answer ${call}.`));
    const input = async function* () {
      yield { text: 'hi' };
      yield silence(300);
      yield { samples: new Float32Array(24_000).fill(0.9), sampleRate: 48_000 };
    };
    const events: TalkSessionEvent[] = [];
    for await (const event of talker.talk(input())) events.push(event);
    expect(ofKind(events, 'answer-done').map(({ item }) => item.text)).toEqual(['Answer 0.', 'Answer 1.']);
    expect(asked[1]!.slice(1).map(({ content }) => content)).toEqual(['hi', 'Answer 0.', 'hello there']);
  });

  it('throws what the input does, and what is no sound', async () => {
    const { talker } = cascade(() => written('Yes.'));
    const run = async (input: AsyncIterable<never>): Promise<void> => {
      for await (const event of talker.talk(input)) void event;
    };
    const failing = async function* (): AsyncGenerator<never> {
      yield speech(300) as never;
      throw new Error('unplugged');
    };
    await expect(run(failing())).rejects.toThrow('unplugged');
    await expect(run((async function* () { yield 7 as never; })())).rejects.toThrow(/must be a sound/);
  });

  it.each([
    ['nothing', new Float32Array(0)], ['one sample', Float32Array.of(0.5)], ['silence', new Float32Array(32_000)],
  ])('of %s has no turn', async (_, samples) => {
    const { talker, asked } = cascade(() => written('Yes.'));
    const events: TalkSessionEvent[] = [];
    for await (const event of talker.talk((async function* () { yield { samples, sampleRate: 16_000 }; })())) events.push(event);
    expect(events).toEqual([]);
    expect(asked).toEqual([]);
  });
});
