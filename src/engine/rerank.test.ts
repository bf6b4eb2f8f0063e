import { describe, expect, it } from 'vitest';
import { fakeLogits, fakeModels } from '../../test/fake-model.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';

const TOKENS = new Map(['yes', 'no', '<|im_start|>', '<|im_end|>', '<think>', '</think>'].map((text, i) => [text, 40 + i] as const));
const idOf = (text: string) => TOKENS.get(text);

/** The prompt of the model card of Qwen3-Reranker-0.6B. */
const WEB = 'Given a web search query, retrieve relevant passages that answer the query';
const prompt = (query: string, document: string, instruction = WEB) =>
  `<|im_start|>system
Judge whether the Document meets the requirements based on the Query and the Instruct provided. \
Note that the answer can only be "yes" or "no".<|im_end|>
<|im_start|>user
<Instruct>: ${instruction}
<Query>: ${query}
<Document>: ${document}<|im_end|>
<|im_start|>assistant
<think>

</think>

`;

function expected(text: string): number {
  const logits = fakeLogits([...new TextEncoder().encode(text)]);
  const [yes, no] = [Math.exp(logits[40]!), Math.exp(logits[41]!)];
  return yes / (yes + no);
}

describe('rerank', () => {
  const models = fakeModels();

  it('scores documents in order, by the probability of yes against no', async () => {
    const { model, log } = await models.load({ idOf, contextLength: 1024 });
    const documents = ['Paris is the capital of France.', 'Gravity pulls.', '', 'Paris is the capital of France.'];
    const scores = await model.rerank('What is the capital of France?', documents);
    expect(scores).toHaveLength(4);
    for (const [i, document] of documents.entries())
      expect(scores[i]).toBeCloseTo(expected(prompt('What is the capital of France?', document)), 6);
    expect(new Set(scores).size).toBe(3);
    // What prompts begin with runs once, and of the same prompt again only its last token.
    const rows = log.steps.reduce((sum, { count }) => sum + count, 0);
    expect(rows).toBeLessThan(2 * prompt('What is the capital of France?', documents[0]!).length);
    expect(await model.rerank('q', ['d'], { instruction: 'Find it' })).toEqual([expect.closeTo(expected(prompt('q', 'd', 'Find it')), 6)]);
    expect(await model.rerank('q', [])).toEqual([]);
  });

  it('refuses what cannot be meant', async () => {
    const { model } = await models.load({ idOf, contextLength: 512 });
    const cases: readonly (readonly [unknown, unknown, object, new (message: string) => Error, string | RegExp])[] = [
      [3, [], {}, InputError, 'query must be a string, found number 3'],
      ['q', 'd', {}, InputError, 'documents must be an array'],
      ['q', [3], {}, InputError, 'documents[0] must be a string'],
      ['q', ['d'], { instruction: 3 }, InputError, 'instruction must be a string'],
      ['q', ['d'], { instruct: 'x' }, InputError, 'Did you mean instruction?'],
      ['q', ['d', 'd'.repeat(600)], {}, CapacityError, /^documents\[1\]: The sequence of \d+ tokens exceeds the context of 512 tokens/],
    ];
    for (const [query, documents, options, kind, message] of cases) {
      const failing = model.rerank(query as never, documents as never, options);
      await expect(failing).rejects.toThrow(kind);
      await expect(failing).rejects.toThrow(message);
    }
    const plain = (await models.load()).model;
    await expect(plain.rerank('q', ['d'])).rejects.toThrow('lacks the tokens yes, no, <|im_start|>');
  });

  it('stops when aborted, and goes on when asked again', async () => {
    const { model } = await models.load({ idOf, contextLength: 1024 });
    const controller = new AbortController();
    const onProgress = ({ loaded }: { loaded: number }) => loaded > 0 && controller.abort(new Error('enough'));
    await expect(model.rerank('q', ['a', 'b'], { signal: controller.signal, onProgress })).rejects.toThrow('enough');
    expect(await model.rerank('q', ['b'])).toEqual([expect.closeTo(expected(prompt('q', 'b')), 6)]);
  });
});
