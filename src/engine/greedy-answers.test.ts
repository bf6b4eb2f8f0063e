/** Answers over sounds whose tokens a program chooses ahead. */
import { expect, it } from 'vitest';
import type { ChosenTokens, TokenChooser } from '../graph/executor.ts';
import { badLogits } from '../graph/sampling.ts';
import { chooseAhead } from './greedy-answers.ts';
import type { Answer, AnswerBounds } from './greedy-answers.ts';
import type { Heard } from './sound-places.ts';

const BOUNDS: AnswerBounds = { prompt: [3, 1], endIds: [0], most: 24 };

/** Gives what submits bring to each answer, one after another. */
function choosing(results: readonly (readonly Partial<ChosenTokens>[])[]) {
  const whole = (own: Partial<ChosenTokens>): ChosenTokens => ({ tokens: [5], logits: undefined, error: undefined, ...own });
  const left = results.map((each) => each.map(whole));
  const open = new Set<number>();
  let opened = 0;
  const chooser: TokenChooser = {
    mostSequences: 4, mostSteps: 4, followsGrammars: false,
    open: () => (open.add(opened), opened++),
    close: (choice) => void open.delete(choice),
    prepare: () => undefined,
    // Behind those that a test gives.
    submit: async ({ sequences }) => ({ results: Promise.resolve(left.shift() ?? sequences.map(() => whole({}))) }),
  };
  return { chooser, open };
}

const HEARD = { length: 2, memory: 0, place: { pages: [[0]] } } as unknown as Heard;
const answerOf = (): Answer => ({ heard: HEARD, tokens: [], isDone: false });

it('tokens before scores of no use are the answer\'s: one that ended among them is whole, another fails behind them', async () => {
  const [ended, failed] = [answerOf(), answerOf()];
  const ofEnded = choosing([[{ tokens: [4] }], [{ tokens: [6, 0, 7], error: badLogits() }]]);
  await chooseAhead(ofEnded.chooser, [ended], BOUNDS);
  expect(ended).toMatchObject({ tokens: [4, 6, 0], isDone: true });
  expect(ofEnded.open.size).toBe(0);
  const ofFailed = choosing([[{ tokens: [4] }], [{ tokens: [6], error: badLogits() }]]);
  await expect(chooseAhead(ofFailed.chooser, [failed], BOUNDS)).rejects.toThrow('no usable scores');
  expect(failed).toMatchObject({ tokens: [4, 6], isDone: false });
  expect(ofFailed.open.size).toBe(0);
});
