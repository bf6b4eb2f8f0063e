/** A microphone that hears the loudspeaker: what `listensWhileSpeaking` makes of it. */
import { expect, it } from 'vitest';
import { loudnessDetector, scriptedEars, scriptedModel, scriptedVoice } from '../../../../test/scripted-cascade.ts';
import { simulatedPlayer } from '../../../../test/simulated-player.ts';
import { follow, ofKind, tick, until } from '../../../../test/talk-session.ts';
import { createCascade } from '../cascade/cascade.ts';
import type { SessionOptions, TalkSession } from './talker.ts';

const RATE = 16_000;
const loud = (ms: number) => ({ samples: new Float32Array((RATE * ms) / 1000).fill(0.9), sampleRate: RATE });
const quiet = (ms: number) => ({ samples: new Float32Array((RATE * ms) / 1000), sampleRate: RATE });

function cascade() {
  const { model } = scriptedModel(async function* () {
    yield 'One. Two. Three.';
  });
  return createCascade({ ears: scriptedEars(() => 'hello'), model, voice: scriptedVoice(400), detector: loudnessDetector() });
}

/** Says hello, lets the microphone hear 960 ms of the answer and `behindMs` after it, then 700 ms of nothing. */
async function talk(session: TalkSession, player: ReturnType<typeof simulatedPlayer>, behindMs: number) {
  const { events, over } = follow(session);
  for (const sound of [loud(640), quiet(960)]) await session.hear(sound);
  await until(() => ofKind(events, 'answer-audio').length > 0);
  for (let at = 0; at < 10; at++) {
    await session.hear(loud(96));
    player.advance(96);
  }
  while (session.isAnswering) {
    player.advance(100);
    await tick();
  }
  for (const sound of [loud(behindMs), quiet(960)]) await session.hear(sound);
  // What comes of the sound is told before what comes behind it.
  session.add({ role: 'user', text: 'that was all' });
  await until(() => ofKind(events, 'item-added').some(({ item }) => item.text === 'that was all'));
  const told = { turns: ofKind(events, 'committed').length, cut: ofKind(events, 'truncated').length };
  await session.close();
  await over;
  return told;
}

it('an answer that is heard cuts itself and is answered, and is not where nothing is listened to while it sounds', async () => {
  const echoing = simulatedPlayer();
  expect(await talk(cascade().open({ player: echoing }), echoing, 128)).toEqual({ turns: 2, cut: 1 });
  const player = simulatedPlayer();
  expect(await talk(cascade().open({ player, listensWhileSpeaking: false }), player, 192)).toEqual({ turns: 1, cut: 0 });
});

/** How many samples of each turn the ears found loud; the model answers when it is let. */
function deafened(settings: SessionOptions = {}) {
  const loudSamples: number[] = [];
  let [release, asked] = [() => {}, 0];
  const { model } = scriptedModel(async function* (_, signal) {
    asked++;
    await new Promise<void>((resolve) => {
      release = resolve;
      signal.addEventListener('abort', () => resolve());
    });
    yield 'One. Two. Three.';
  });
  const ears = scriptedEars((samples) => {
    loudSamples.push(samples.filter((sample) => sample > 0.5).length);
    return 'hello';
  });
  const player = simulatedPlayer();
  const talker = createCascade({ ears, model, voice: scriptedVoice(400), detector: loudnessDetector() });
  const session = talker.open({ player, listensWhileSpeaking: false, ...settings });
  const { events } = follow(session);
  const say = async (ms: number) => {
    await session.hear(loud(ms));
    const turn = await session.commit();
    await until(() => ofKind(events, 'input-text').some(({ itemId, isFinal }) => itemId === turn && isFinal));
  };
  return { session, player, events, loudSamples, say, asked: () => asked, release: () => release() };
}

it('who goes on while the model thinks is heard, and answered next', async () => {
  const { session, player, events, asked, release } = deafened({ isInterruptible: false });
  for (const sound of [loud(640), quiet(960)]) await session.hear(sound);
  await until(() => asked() === 1);
  for (const sound of [loud(640), quiet(960)]) await session.hear(sound);
  expect(ofKind(events, 'answer-audio')).toEqual([]);
  expect(ofKind(events, 'committed').map(({ startMs, endMs }) => endMs - startMs > 600)).toEqual([true, true]);
  release();
  await until(() => ofKind(events, 'answer-audio').length > 0);
  await until(() => (player.advance(500), asked() === 2));
  await session.close();
});

it('is deaf from the first sound of an answer to 200 ms behind it, or behind its stop', async () => {
  const { session, player, events, loudSamples, say, asked, release } = deafened({ turns: 'none', answersTurns: false });
  for (const end of ['played', 'cancelled'] as const) {
    const [before, heard] = [asked(), events.length];
    await say(500);
    session.respond();
    await until(() => asked() > before);
    await say(500);
    release();
    await until(() => events.slice(heard).some(({ kind }) => kind === 'answer-audio'));
    await say(300);
    if (end === 'cancelled') session.cancel();
    while (session.isAnswering) {
      player.advance(500);
      await tick();
    }
    await say(150);
    await say(300);
    await say(300);
    expect(loudSamples.splice(0), end).toEqual([500, 500, 0, 0, 250, 300].map((ms) => (ms * RATE) / 1000));
  }
  await session.close();
});

it('hears all of what is said to an answer of text, and behind it', async () => {
  const { session, loudSamples, say, asked, release } = deafened({ turns: 'none', answersTurns: false, speaks: false });
  for (const isApart of [false, true]) {
    const before = asked();
    await say(500);
    session.respond({}, { isApart });
    await until(() => asked() > before);
    await say(500);
    release();
    await until(() => !session.isAnswering);
    await say(100);
    expect(loudSamples.splice(0)).toEqual([500, 500, 100].map((ms) => (ms * RATE) / 1000));
  }
  await session.close();
});

it('is refused without a player, whose clock it needs', () => {
  expect(() => cascade().open({ listensWhileSpeaking: false })).toThrow(/player/);
  const session = cascade().open({ player: simulatedPlayer() });
  session.update({ listensWhileSpeaking: false });
  const alone = cascade().open();
  expect(() => alone.update({ listensWhileSpeaking: false })).toThrow(/player/);
});
