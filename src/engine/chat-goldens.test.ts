import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { contentText } from '../text/chat-messages.ts';
import type { Executor, GraphRun } from '../graph/executor.ts';
import { DECODER } from '../graph/model-graphs.ts';
import { openDecoder } from '../models/open-decoder.ts';
import { openExecutor } from '../node/load-model.ts';
import { directorySource } from '../node/file-source.ts';
import { createTokenizer } from '../text/tokenizer.ts';
import { collect } from './collect.ts';
import { createModelFromParts } from './model.ts';
import type { TextSide } from './prompt.ts';

const END = 2;

/** Every token is a letter of its own, so that an answer's text gives its tokens back. */
function letterText(vocabSize: number): TextSide {
  const letter = (id: number) => String.fromCodePoint(0x4e00 + id);
  const tokenizer = createTokenizer({
    kind: 'letters',
    vocabSize,
    special: { bos: undefined, eos: END, eot: undefined, eom: undefined, pad: undefined, unk: undefined },
    endIds: new Set([END]),
    prefixIds: [],
    suffixIds: [],
    stripLeadingSpace: false,
    encodeBody: (text) => Array.from(text, (char) => (char.codePointAt(0)! - 0x4e00 + vocabSize * 300) % vocabSize),
    tokenBytes: (id) => new TextEncoder().encode(letter(id)),
    tokenText: letter,
    idOf: () => undefined,
    isSpecial: (id) => id === END,
  });
  return {
    tokenizer,
    endIds: tokenizer.endIds,
    samplingDefaults: {},
    encodeMessages: (messages) => [
      ...messages.flatMap(({ role, content }) => [role.length, ...tokenizer.encode(contentText(content)), END]), 9,
    ],
  };
}

interface Recorded {
  readonly start: number;
  readonly ids: readonly number[];
  readonly logits: Float32Array;
}

/** The executor, with every step of one sequence noted. */
function recording(executor: Executor, into: Recorded[]): Executor {
  return {
    ...executor,
    async load(request) {
      const program = await executor.load(request);
      return {
        ...program,
        ensurePages: (group, count) => program.ensurePages(group, count),
        dispose: () => program.dispose(),
        // Every step is noted, with its logits.
        chooser: undefined,
        limits: (graph, withTaps) => program.limits(graph, withTaps),
        async run(runs) {
          const [{ inputs, sequences }] = runs as readonly [GraphRun];
          const results = await program.run(runs);
          into.push({
            start: sequences![0]!.start,
            ids: Array.from(inputs[DECODER.tokens] as ArrayLike<number>),
            logits: results[0]!.get(DECODER.logits)!.slice(),
          });
          return results;
        },
      };
    },
  };
}

async function openLetters(device: 'reference' | 'cpu', steps: Recorded[]) {
  const checkpoint = await openCheckpoint({ folder: directorySource(join(fixturesPath, 'golden', 'llama')) });
  try {
    const decoder = await openDecoder(checkpoint);
    const executor = device === 'cpu' ? await openExecutor({ device, threads: 2 }) : createReferenceExecutor();
    const text = letterText(decoder.config.vocabSize);
    const model = await createModelFromParts({ name: 'llama', sizeBytes: 0, decoder, text }, { executor: recording(executor, steps) });
    return { model, text };
  } finally {
    await checkpoint.close();
  }
}

describe.each(['reference', 'cpu'] as const)('fifteen turns on %s', (device) => {
  it('prefill only what is new and end in the logits of a cold run', async () => {
    const steps: Recorded[] = [];
    const { model, text } = await openLetters(device, steps);
    const chat = model.createChat({ system: 'sys', seed: 3, maxTokens: 6 });
    let inState = 0;
    for (let turn = 1; turn <= 15; turn++) {
      const ids = text.encodeMessages!([...chat.history, { role: 'user', content: `turn ${turn}` }], { tools: undefined, variables: {} });
      steps.length = 0;
      const { usage } = await collect(chat.send(`turn ${turn}`));
      const prefill = steps.filter(({ start }) => start < ids.length);
      expect(prefill.flatMap((step) => step.ids)).toEqual(ids.slice(usage.cachedTokens));
      expect(usage.cachedTokens).toBe(inState);
      inState = ids.length + usage.completionTokens - 1;
      if (turn < 15) continue;
      const warm = prefill.at(-1)!.logits;
      const cold = await model.forward(ids, { positions: [ids.length - 1] });
      const range = Math.max(...cold) - Math.min(...cold);
      expect(Math.max(...cold.map((logit, id) => Math.abs(logit - warm[id]!))) / range).toBeLessThan(1e-3);
      expect(usage.cachedTokens).toBeGreaterThan(150);
    }
    await model.dispose();
  });
});
