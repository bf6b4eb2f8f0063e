/** A cascade over models that a test scripts: what overlaps, and what an interruption leaves. */
import { describe, expect, it } from 'vitest';
import { loudnessDetector, SCRIPTED_RATE, scriptedEars, scriptedModel, scriptedVoice } from '../../../../test/scripted-cascade.ts';
import { simulatedPlayer } from '../../../../test/simulated-player.ts';
import {
  cascade, follow, FRAME_MS, hearLive, kinds, ofKind, silence, speech, tick, until, written,
} from '../../../../test/talk-session.ts';
import { createCascade } from './cascade.ts';

describe('a cascade', () => {
  it('speaks the first sentence while the model still writes', async () => {
    let hasSound = (): void => {};
    const sounds = new Promise<void>((resolve) => void (hasSound = resolve));
    // The model writes its second sentence when it hears the first: without overlap nobody would.
    const { talker } = cascade(async function* () {
      yield 'Good morning. H';
      await sounds;
      yield 'ow are you?';
    });
    const session = talker.open();
    session.add({ role: 'user', text: 'hi' });
    session.respond();
    const seen: string[] = [];
    for await (const event of session.events()) {
      if (event.kind === 'answer-audio') {
        seen.push(`${event.samples.length}`);
        hasSound();
      }
      if (event.kind === 'answer-text') seen.push(event.text);
      if (event.kind === 'answer-done') {
        const item = { text: 'Good morning. How are you?', status: 'completed' };
        expect(event).toMatchObject({ status: 'completed', reason: 'stop', item });
        expect(event.usage).toEqual({ inputTokens: 10, cachedTokens: 4, heardTokens: 0, textTokens: 5, heardMs: 0, spokenMs: 1000 });
        break;
      }
    }
    expect(seen).toEqual(['Good morning. H', String(0.4 * SCRIPTED_RATE), 'ow are you?', String(0.6 * SCRIPTED_RATE)]);
    await session.close();
  });

  it('makes a sentence of speech ahead of what is taken of it, no more', async () => {
    const sentences: string[] = [];
    const { model } = scriptedModel(() => written('One. Two. Three. Four. Five. Six. Seven. Eight.'));
    const voice = scriptedVoice(12_000, (sentence) => void sentences.push(sentence));
    const talker = createCascade({ ears: scriptedEars(() => ''), model, voice, detector: loudnessDetector() });
    const player = simulatedPlayer(1000);
    const session = talker.open({ player });
    const { events } = follow(session);
    session.add({ role: 'user', text: 'count' });
    session.respond();
    for (let i = 0; i < 20; i++) await tick();
    // One is heard, one waits for the player, one for its reader.
    expect(sentences.length).toBeLessThanOrEqual(4);
    let isIdle = false;
    void session.idle().then(() => (isIdle = true));
    await until(() => (player.advance(1000), isIdle));
    expect(sentences.length).toBe(8);
    expect(ofKind(events, 'answer-played')[0]!.playedMs).toBe(96_000);
    await session.close();
  });

  it('answers a turn when it is over, and tells its text while it is said and after', async () => {
    const { talker, asked } = cascade(() => written('Hello you.'));
    const session = talker.open({ system: 'Be kind.' });
    const { events } = follow(session);
    await session.hear(silence(320));
    for (let i = 0; i < 20; i++) {
      await session.hear(speech(96));
      await tick();
    }
    await session.hear(silence(800));
    await session.idle();
    const turn = ['speech-started', 'speech-stopped', 'committed', 'item-added', 'input-text', 'answer-started', 'item-added'];
    expect(kinds(events).filter((kind) => !kind.startsWith('answer-') || kind === 'answer-started').filter((kind, i, all) =>
      kind !== 'input-text' || all[i - 1] === 'item-added')).toEqual(turn);
    const texts = ofKind(events, 'input-text');
    expect(texts.length).toBeGreaterThan(1);
    expect(texts.map(({ isFinal }) => isFinal)).toEqual([...texts.slice(1).map(() => false), true]);
    const { startMs, endMs } = ofKind(events, 'committed')[0]!;
    // 300 ms before its first speech and 200 ms behind its last, in frames.
    expect(Math.abs(startMs - 20)).toBeLessThanOrEqual(FRAME_MS);
    expect(Math.abs(endMs - (320 + 1920 + 200))).toBeLessThanOrEqual(FRAME_MS);
    expect(asked).toEqual([[{ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'hello there' }]]);
    expect(session.history.map(({ role, text }) => [role, text])).toEqual([['user', 'hello there'], ['assistant', 'Hello you.']]);
    await session.close();
  });

  it('is silent within a frame of speech, and keeps the words that were heard', async () => {
    const { talker, asked } = cascade((call) => written(call === 0 ? 'One two three four five. Six seven eight.' : 'Yes.'));
    const player = simulatedPlayer();
    const session = talker.open({ player });
    const { events } = follow(session);
    session.add({ role: 'user', text: 'count' });
    session.respond();
    await until(() => ofKind(events, 'answer-done').length === 1);
    await hearLive(session, player, silence(736));
    const onsetMs = player.nowMs;
    await hearLive(session, player, speech(640));
    // 736 ms are three words of 200 ms and most of a fourth; the silence came with the first frame of speech.
    expect(player.silencedMs.length).toBe(1);
    expect(player.silencedMs[0]! - onsetMs).toBeLessThanOrEqual(100);
    await until(() => ofKind(events, 'truncated').length === 1);
    const [played] = ofKind(events, 'answer-played');
    expect(played!.playedMs).toBeCloseTo(player.silencedMs[0]!, 0);
    const [cut] = ofKind(events, 'truncated');
    expect(cut).toMatchObject({ audioEndMs: played!.playedMs, text: 'One two three' });
    expect(session.history.at(-1)).toMatchObject({ text: 'One two three', status: 'incomplete', audioMs: played!.playedMs });
    await hearLive(session, player, silence(900));
    await until(() => asked.length === 2);
    expect(asked[1]!.slice(1).map(({ content }) => content)).toEqual(['count', 'One two three', 'hello there']);
    await session.close();
  });

  it('goes on after a sound that was no speech, from where it was', async () => {
    const { talker } = cascade(() => written('One two three four five.'));
    const player = simulatedPlayer();
    const session = talker.open({ player });
    const { events } = follow(session);
    session.add({ role: 'user', text: 'count' });
    session.respond();
    await until(() => ofKind(events, 'answer-done').length === 1);
    await hearLive(session, player, silence(320));
    await hearLive(session, player, speech(64));
    const heardMs = (1000 * player.played) / SCRIPTED_RATE;
    await hearLive(session, player, silence(160));
    expect(kinds(events).filter((kind) => kind.includes('hushed') || kind.includes('speech'))).toEqual(['hushed', 'unhushed']);
    expect(player.isAudible).toBe(true);
    // It was silent meanwhile.
    expect((1000 * player.played) / SCRIPTED_RATE - heardMs).toBeLessThan(160);
    await hearLive(session, player, silence(1000));
    await session.idle();
    expect(session.history.at(-1)).toMatchObject({ text: 'One two three four five.', status: 'completed' });
    await session.close();
  });

  it('an interruption stops the model and the voice in the middle of their work', async () => {
    let pieces = 0;
    const { talker } = cascade(async function* (call, signal) {
      if (call > 0) yield 'Fine.';
      else
        for (let i = 0; !signal.aborted; i++) {
          pieces++;
          yield `Sentence ${i}. `;
          await tick();
        }
    });
    const player = simulatedPlayer();
    const session = talker.open({ player });
    const { events } = follow(session);
    session.add({ role: 'user', text: 'go on' });
    session.respond();
    await until(() => player.isAudible);
    await hearLive(session, player, speech(500));
    await until(() => ofKind(events, 'answer-done').length === 1);
    expect(ofKind(events, 'answer-done')[0]).toMatchObject({ status: 'cancelled', reason: 'interrupted' });
    const stoppedAt = pieces;
    for (let i = 0; i < 5; i++) await tick();
    expect(pieces).toBeLessThanOrEqual(stoppedAt + 1);
    await hearLive(session, player, silence(900));
    await until(() => ofKind(events, 'answer-done').length === 2);
    expect(session.history.at(-1)!.text).toBe('Fine.');
    await session.close();
  });

  it('without a player, whoever plays it says what was heard', async () => {
    const { talker, asked } = cascade((call) => written(call === 0 ? 'One two three.' : 'Yes.'));
    const session = talker.open();
    const { events } = follow(session);
    session.add({ role: 'user', text: 'count' });
    session.respond();
    await session.idle();
    const { id } = session.history.at(-1)!;
    expect(() => session.truncate(id, 601)).toThrow(/has 600 ms of speech, found audioEndMs 601/);
    expect(() => session.truncate(id, NaN)).toThrow(/audioEndMs must be a number of at least 0, found NaN/);
    expect(() => session.truncate(session.history[0]!.id, 1)).toThrow(/Only answers can be cut/);
    session.truncate(id, 450);
    expect(ofKind(events, 'truncated').length).toBeLessThanOrEqual(1);
    expect(session.history.at(-1)!.text).toBe('One two');
    session.truncate(id, 100);
    expect(session.history.at(-1)!.text).toBe('');
    session.add({ role: 'user', text: 'more' });
    session.respond();
    await session.idle();
    // An answer of which nothing was heard was none.
    expect(asked[1]!.slice(1).map(({ content }) => content)).toEqual(['count\nmore']);
    await session.close();
  });
});
