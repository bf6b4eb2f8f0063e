/** A long prompt read in one piece against the same in chunks: the logits after it, and of steps that look back on all of it. */
import { randomIds } from '../../dist/bench/workloads.js';
import { compareRows, isNearTie, isWithin, TOLERANCES } from './compare-values.mjs';
import { emberPath, feed, gpuExecutor, synthetic, withProgram } from './open-model.mjs';

/** Tokens after the prompt, one a step: what they attend to is the state that the prompt left. */
const PROBES = 16;

export async function checkChunks(context) {
  const problem = context.isQuick
    ? { name: 'ember-21m', path: emberPath, length: 150, chunks: [37], probes: 2 }
    : { name: 'qwen3-0.6b', path: await synthetic(context, 'qwen3-0.6b', 'q4_0'), length: 4096, chunks: [512, 333], probes: PROBES };
  // Floats show a mistake in the state that int8's own noise would hide.
  for (const activations of ['int8', 'f32']) {
    if (activations !== context.profile.activations && context.isQuick) continue;
    await compareChunks(context, problem, { ...context.profile, activations });
  }
}

async function compareChunks(context, { name, path, length, chunks, probes }, profile) {
  const executor = await gpuExecutor(context, profile);
  const read = (maxRows) => withProgram(executor, path, { contextLength: length + probes, maxRows }, async (opened) => {
    const ids = randomIds(length + probes, { seed: 3, vocabSize: opened.vocabSize });
    const sizes = [
      ...Array.from({ length: Math.floor(length / maxRows) }, () => maxRows),
      ...(length % maxRows > 0 ? [length % maxRows] : []),
      1,
    ];
    const startedAt = performance.now();
    const logits = await feed(opened, ids, { sizes, wantedFrom: length - 1 });
    return { logits, vocabSize: opened.vocabSize, milliseconds: performance.now() - startedAt };
  });
  const tolerance = TOLERANCES[profile.activations === 'int8' ? 'int8' : 'floats'];
  const whole = await read(length);
  for (const chunk of chunks) {
    const parts = await read(chunk);
    const figures = compareRows(parts.logits, whole.logits, whole.vocabSize);
    const last = whole.logits.subarray(0, whole.vocabSize);
    const after = compareRows(parts.logits.subarray(0, whole.vocabSize), last, whole.vocabSize);
    const passed = isWithin(figures, tolerance) && (after.sameToken === 1 || isNearTie(last, tolerance.difference));
    context.report(`${name}, ${profile.activations} activations, ${length} tokens, chunks of ${chunk} against one of ${length}`, passed, {
      afterPrompt: after.difference,
      sameTokenAfterPrompt: after.sameToken === 1,
      ...figures,
      tolerance,
      wholeMs: Math.round(whole.milliseconds),
      chunkedMs: Math.round(parts.milliseconds),
    });
  }
}
