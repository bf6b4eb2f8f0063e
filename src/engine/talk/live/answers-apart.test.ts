/** Answers that wait for each other, of the conversation and beside it. */
import { describe, expect, it } from 'vitest';
import { loudnessDetector, scriptedEars, scriptedModel, scriptedVoice } from '../../../../test/scripted-cascade.ts';
import { cascade, follow, ofKind, speech, tick, until, written } from '../../../../test/talk-session.ts';
import { createCascade } from '../cascade/cascade.ts';

describe('answers that wait', () => {
  it('cancels one answer and no other; one that had not begun ends as well', async () => {
    const { talker } = cascade(async function* () {
      for (let i = 0; i < 20; i++) {
        await tick();
        yield 'word ';
      }
    });
    const session = talker.open({ turns: 'none', speaks: false });
    const { events } = follow(session);
    const ends = () => ofKind(events, 'answer-done').map(({ answerId, status }) => `${answerId} ${status}`);
    session.add({ role: 'user', text: 'go on' });
    const beside = session.respond({}, { isApart: true });
    const [next, third] = [session.respond(), session.respond({}, { isApart: true })];
    const fourth = session.respond({}, { isApart: true });
    await until(() => ofKind(events, 'answer-started').length === 1);
    for (const id of [next, third, third, 'answer_99']) session.cancel(id);
    await until(() => ends().length === 2);
    expect(ends()).toEqual([`${next} cancelled`, `${third} cancelled`]);
    session.cancel(beside);
    await session.idle();
    expect(ends().slice(2)).toEqual([`${beside} cancelled`, `${fourth} completed`]);
    expect(ofKind(events, 'answer-started').map(({ answerId }) => answerId)).toEqual([beside, fourth]);
    // Without an id: what goes on, and what would be the conversation's next.
    const both = [session.respond({}, { isApart: true }), session.respond()];
    await until(() => ofKind(events, 'answer-started').length === 3);
    session.cancel();
    await session.idle();
    expect(ends().slice(4).toSorted()).toEqual(both.map((id) => `${id} cancelled`));
    const last = session.respond();
    await session.idle();
    expect(ends().at(-1)).toBe(`${last} completed`);
    expect(session.history.length).toBe(2);
    await session.close();
  });

  it('of a sound beside the conversation that cannot be heard the answer fails, and nothing is told of an item', async () => {
    const ears = scriptedEars(() => {
      throw new Error('deaf');
    });
    const { model, asked } = scriptedModel(() => written('Yes.'));
    const session = createCascade({ ears, model, voice: scriptedVoice(100), detector: loudnessDetector() }).open({ turns: 'none' });
    const { events } = follow(session);
    const itemId = session.add({ role: 'user', text: 'hello' });
    const answerId = session.respond({}, { isApart: true, items: [{ itemId }, { role: 'user', sound: speech(300) }] });
    await session.idle();
    expect(ofKind(events, 'answer-done')).toMatchObject([{ answerId, status: 'failed', error: { message: 'deaf' } }]);
    expect(ofKind(events, 'input-failed')).toEqual([]);
    expect(asked).toEqual([]);
    await session.close();
  });
});
