/** What each type of keys and values leaves of transformers' logits: docs/key-value-types.md has the table. */
import { expect, it } from 'vitest';
import { f32Of, readFixtureTensors } from '../../test/fixture-tensors.ts';
import { goldenPath, hasGolden, readGolden } from '../../test/goldens.ts';
import type { GoldenName } from '../../test/goldens.ts';
import { relativeError } from '../../test/relative-error.ts';
import { loadModel } from './load-model.ts';
import { collect } from '../engine/collect.ts';

/** Random weights, so that errors are larger than a trained model's. A window, shared states, sinks, short convolutions among them. */
const NAMES: readonly GoldenName[] = ['llama', 'qwen3', 'lfm2_plain', 'gemma3', 'olmo3', 'phi3'];
/** Of the range of the logits: what is expected at most, and by how much more at least than the type before. */
const LIMITS = [['f16', 1e-3], ['q8', 0.025], ['q8/q4', 0.2], ['q4', 0.3]] as const;

it.for(NAMES)('%s: errors of the logits by type, on the CPU as by the reference', async (name, { skip }) => {
  if (!hasGolden(name)) skip(`${name} is in ../shared/golden`);
  const tensors = readFixtureTensors(`${goldenPath(name)}/golden.safetensors`);
  const [prompt, ids] = Object.entries(readGolden(name).prompts).reduce((a, b) => (b[1].length > a[1].length ? b : a));
  const expected = f32Of(tensors, `${prompt}.logits`);
  let before = 0;
  for (const [kvType, limit] of LIMITS) {
    const found: number[] = [];
    for (const device of ['cpu', 'reference'] as const) {
      await using model = await loadModel(goldenPath(name), { device, kvType, ...(device === 'cpu' && { threads: 2 }) });
      expect(model.info.kvType).toBe(kvType);
      found.push(relativeError(await model.forward(ids), expected));
    }
    expect(Math.max(...found), kvType).toBeLessThan(limit);
    // Coarser types say so: otherwise the option would have done nothing.
    expect(Math.min(...found), kvType).toBeGreaterThan(kvType === 'q4' ? 0.01 : 2 * before);
    before = Math.min(...found);
  }
});

it('the state takes fewer bytes, and a conversation goes on in it', async () => {
  const ids = readGolden('qwen3').prompts['mid']!;
  const bytes: number[] = [];
  for (const kvType of ['f16', 'q8', 'q4'] as const) {
    await using model = await loadModel(goldenPath('qwen3'), { device: 'cpu', threads: 2, kvType });
    const options = { temperature: 0, ignoreEos: true } as const;
    const whole = await collect(model.generate({ ids, ...options, maxTokens: 12 }));
    const half = await collect(model.generate({ ids, ...options, maxTokens: 6 }));
    const rest = await collect(model.generate({ ids: [...ids, ...half.tokens], ...options, maxTokens: 6 }));
    expect([...half.tokens, ...rest.tokens]).toEqual(whole.tokens);
    bytes.push(model.info.memory.kvBytes);
  }
  // Heads of 32: two groups of codes and their padded scales.
  expect([bytes[1]! / bytes[0]!, bytes[2]! / bytes[0]!]).toEqual([48 / 64, 24 / 64]);
});
