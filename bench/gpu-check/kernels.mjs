/**
 * Logits of every way that a step may run (many rows, one, a few, several sequences, split keys), by weight type and profile, against the
 * float64 reference (the small model), the CPU (real shapes), and one profile's kernels against another's.
 */
import { decoderSteps } from '../../dist/graph/decoder-steps.js';
import { randomIds } from '../../dist/bench/workloads.js';
import { createReferenceExecutor } from '../../dist/reference/reference-executor.js';
import { compareRows, isWithin, TOLERANCES } from './compare-values.mjs';
import { cpuExecutor, emberPath, feed, foreignProfiles, gpuExecutor, synthetic, withProgram } from './open-model.mjs';

const PAGE_TOKENS = 64;
const LONG = { length: 1100, probes: 8 };

export async function checkKernels(context) {
  const own = [context.profile, { ...context.profile, activations: 'f32' }];
  await compareProfiles(context, {
    name: 'ember-21m q4_0',
    path: emberPath,
    profiles: context.isQuick
      ? [own[0], ...foreignProfiles(context, ['generic'])]
      : [...own, ...foreignProfiles(context, ['apple-m1', 'apple-m4', 'intel', 'generic'])],
    oracle: { name: 'reference', executor: createReferenceExecutor(), rounds: false },
  });
  if (context.isQuick) return;
  for (const type of ['q4_0', 'q8_0', 'q4_k_m', 'q5_1', 'q3_k_m', 'q2_k', 'iq4_xs', 'mxfp4', 'f16']) {
    const isFloat = type === 'f16';
    await compareProfiles(context, {
      name: `qwen3-0.6b ${type}`,
      path: await synthetic(context, 'qwen3-0.6b', type),
      isFloat,
      profiles: [
        ...(isFloat ? own.slice(0, 1) : own),
        ...foreignProfiles(context, type === 'q4_0' ? ['apple-m4', 'intel', 'generic'] : ['apple-m4']),
      ],
      oracle: { name: 'CPU', executor: await cpuExecutor(context), rounds: !isFloat },
      isLong: type === 'q4_0',
    });
  }
}

async function compareProfiles(context, { name, path, profiles, oracle, isFloat, isLong }) {
  const forms = [FORMS.rows, FORMS.sequences, ...(isLong ? [FORMS.long] : [])];
  const options = { contextLength: isLong ? 2048 : 512, maxRows: context.isQuick ? 32 : 512 };
  const run = (executor) => withProgram(executor, path, options, async (opened) => {
    const results = [];
    for (const form of forms) results.push({ form, logits: await form.run(opened), vocabSize: opened.vocabSize });
    return results;
  });
  const oracles = [{ ...oracle, results: await run(oracle.executor) }];
  for (const profile of profiles) {
    const what = `${profile.name} with ${profile.activations} activations`;
    const rounds = !isFloat && profile.activations === 'int8';
    const results = await run(await gpuExecutor(context, profile));
    for (const against of oracles) {
      const tolerance = TOLERANCES[rounds || against.rounds ? 'int8' : 'floats'];
      for (const [i, { form, logits, vocabSize }] of results.entries()) {
        const figures = compareRows(logits, against.results[i].logits, vocabSize);
        context.report(`${name}, profile ${what} against ${against.name}, ${form.name}`, isWithin(figures, tolerance), {
          ...figures,
          tolerance,
        });
      }
    }
    // The first profile that computes with floats is what the others are held against: more closely than a CPU that rounds allows.
    if (!rounds && oracles.length === 1 && oracle.rounds) oracles.push({ name: what, rounds: false, results });
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
    const { logits } = await decoderSteps(program).run({ sequences });
    kept.push(logits.slice(0, lengths.length * vocabSize));
  };
  const pages = (i) => [[lengths.length - 1 - i]];
  if (Math.max(...lengths) + steps > PAGE_TOKENS) throw new Error('a sequence of this check has one page');
  await run(lengths.map((length, i) => ({ tokens: ids[i].slice(0, length), start: 0, pages: pages(i), outputs: [length - 1] })));
  for (let step = 0; step < steps; step++) {
    await run(lengths.map((length, i) => ({ tokens: [ids[i][length + step]], start: length + step, pages: pages(i), outputs: [0] })));
  }
  const all = new Float32Array(kept.length * lengths.length * vocabSize);
  kept.forEach((logits, i) => all.set(logits, i * lengths.length * vocabSize));
  return all;
}
