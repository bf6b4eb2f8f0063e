/** Logits against the CPU's for every way that a step may run: many rows, one, a few, several sequences, split keys; by weight type and profile. */
import { randomIds } from '../../dist/bench/random-ids.js';
import { compareRows } from './compare-values.mjs';
import { cpuExecutor, emberPath, feed, foreignProfiles, gpuExecutor, synthetic, withProgram } from './open-model.mjs';

/** Of the logits' range. The CPU rounds activations to int8 in blocks of 32 where weights are quantised; profiles differ in how they do. */
const TOLERANCE = 2e-2;
const PAGE_TOKENS = 64;

const LONG = { length: 1100, probes: 8 };

export async function checkKernels(context) {
  const cases = context.isQuick
    ? [{ name: 'ember-21m', path: emberPath, profiles: [undefined, ...foreignProfiles(context)] }]
    : await Promise.all(['q4_0', 'q8_0', 'q4_k_m', 'f16'].map(async (type) => ({
        name: `qwen3-0.6b ${type}`,
        path: await synthetic(context, 'qwen3-0.6b', type),
        profiles: [undefined, ...foreignProfiles(context).filter(({ name }) => type === 'q4_0' || name === 'apple-m4')],
        isLong: type === 'q4_0',
      })));
  for (const { name, path, profiles, isLong } of cases) {
    const forms = [FORMS.rows, FORMS.sequences, ...(isLong ? [FORMS.long] : [])];
    const options = { contextLength: isLong ? 2048 : 512, maxRows: context.isQuick ? 32 : 512 };
    const run = (executor) => withProgram(executor, path, options, async (opened) => {
      const results = [];
      for (const form of forms) results.push({ logits: await form.run(opened), vocabSize: opened.vocabSize });
      return results;
    });
    const wanted = await run(await cpuExecutor(context));
    for (const profile of profiles) {
      const found = await run(await gpuExecutor(context, profile));
      for (const [i, form] of forms.entries()) {
        const figures = compareRows(found[i].logits, wanted[i].logits, wanted[i].vocabSize);
        context.report(`${name}, profile ${(profile ?? context.profile).name}, ${form.name}`, figures.difference < TOLERANCE, { ...figures, tolerance: TOLERANCE });
      }
    }
  }
}

const FORMS = {
  rows: {
    name: '32 rows, then steps of 1, 1, 3, 8, 5 and 2',
    run: (opened) => feed(opened, randomIds(52, { seed: 7, vocabSize: opened.vocabSize }), { sizes: [32, 1, 1, 3, 8, 5, 2] }),
  },
  sequences: { name: 'three sequences in a step', run: runSequences },
  long: {
    name: `single steps after ${LONG.length} tokens`,
    run: (opened) => {
      const { length, probes } = LONG;
      const ids = randomIds(length + probes, { seed: 9, vocabSize: opened.vocabSize });
      return feed(opened, ids, { sizes: [512, 512, length - 1024, 1], wantedFrom: length - 1 });
    },
  },
};

/** Prompts of three lengths in one step, then steps of one token each; pages in an order that is not that of the sequences. */
async function runSequences({ program, vocabSize }) {
  const lengths = [20, 9, 33];
  const steps = 2;
  const ids = lengths.map((length, i) => randomIds(length + steps, { seed: 20 + i, vocabSize }));
  const kept = [];
  const run = async (sequences) => {
    const { logits } = await program.run({ sequences });
    kept.push(logits.slice(0, lengths.length * vocabSize));
  };
  const pages = (i) => [lengths.length - 1 - i];
  if (Math.max(...lengths) + steps > PAGE_TOKENS) throw new Error('a sequence of this check has one page');
  await run(lengths.map((length, i) => ({ tokens: ids[i].slice(0, length), start: 0, pages: pages(i), outputs: [length - 1] })));
  for (let step = 0; step < steps; step++) {
    await run(lengths.map((length, i) => ({ tokens: [ids[i][length + step]], start: length + step, pages: pages(i), outputs: [0] })));
  }
  const all = new Float32Array(kept.length * lengths.length * vocabSize);
  kept.forEach((logits, i) => all.set(logits, i * lengths.length * vocabSize));
  return all;
}
