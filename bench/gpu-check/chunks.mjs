/** A long prompt read in one piece against the same in chunks: the logits after it, and of steps that look back on all of it. */
import { randomIds } from '../../dist/bench/random-ids.js';
import { compareRows } from './compare-values.mjs';
import { emberPath, feed, gpuExecutor, synthetic, withProgram } from './open-model.mjs';

/** Of the logits' range. Chunks change only the order of sums in attention; where that tips a rounding to int8, it spreads. */
const TOLERANCE = 5e-3;
/** Tokens after the prompt, one a step: what they attend to is the state that the prompt left. */
const PROBES = 16;

export async function checkChunks(context) {
  if (context.isQuick) return compareChunks(context, { name: 'ember-21m', path: emberPath, length: 150, chunks: [64, 37], probes: 2 });
  const path = await synthetic(context, 'qwen3-0.6b', 'q4_0');
  await compareChunks(context, { name: 'qwen3-0.6b', path, length: 4096, chunks: [512, 333], probes: PROBES });
}

async function compareChunks(context, { name, path, length, chunks, probes }) {
  const executor = await gpuExecutor(context);
  const read = (maxRows) => withProgram(executor, path, { contextLength: length + probes, maxRows }, async (opened) => {
    const ids = randomIds(length + probes, { seed: 3, vocabSize: opened.vocabSize });
    const sizes = [...Array.from({ length: Math.floor(length / maxRows) }, () => maxRows), ...(length % maxRows > 0 ? [length % maxRows] : []), 1];
    const startedAt = performance.now();
    const logits = await feed(opened, ids, { sizes, wantedFrom: length - 1 });
    return { logits, vocabSize: opened.vocabSize, milliseconds: performance.now() - startedAt };
  });
  const whole = await read(length);
  for (const chunk of chunks) {
    const parts = await read(chunk);
    const figures = compareRows(parts.logits, whole.logits, whole.vocabSize);
    const after = compareRows(parts.logits.subarray(0, whole.vocabSize), whole.logits.subarray(0, whole.vocabSize), whole.vocabSize);
    const passed = figures.difference < TOLERANCE && after.sameToken === 1 && whole.logits.every(Number.isFinite);
    context.report(`${name}, ${length} tokens, chunks of ${chunk} against one of ${length}`, passed, {
      afterPrompt: after.difference, ...figures, tolerance: TOLERANCE, wholeMs: Math.round(whole.milliseconds), chunkedMs: Math.round(parts.milliseconds),
    });
  }
}
