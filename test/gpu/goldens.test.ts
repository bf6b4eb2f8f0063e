/** The goldens of transformers on the software adapter, whole and in chunks. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Model } from '../../src/engine/api.ts';
import { collect } from '../../src/engine/collect.ts';
import { createModel } from '../../src/engine/model.ts';
import { openCheckpoint } from '../../src/files/open-checkpoint.ts';
import type { PerLayerTable } from '../../src/models/architecture.ts';
import { locate } from '../../src/node/open-path.ts';
import { f32Of, readFixtureTensors } from '../fixture-tensors.ts';
import { goldenContext, goldenPath, goldenRuns, goldensOn, hasGolden, readGolden } from '../goldens.ts';
import type { Golden, GoldenName } from '../goldens.ts';
import { softwareExecutor } from './shared-device.ts';
import { relativeError } from '../relative-error.ts';
import { expectValuesAreKeys, hasValuesAreKeys, openValuesAreKeys } from '../values-are-keys.ts';

/** Of the range of the logits, or of the hidden states. */
const TOLERANCE = 1e-3;

interface LoadOptions {
  /** Prompts are computed in chunks of so many rows; the software profile's where none are given. */
  readonly prefillRows: number | undefined;
  readonly contextLength: number | undefined;
  readonly perLayerTable?: PerLayerTable;
}

async function loadGolden(name: GoldenName, { prefillRows, ...options }: LoadOptions): Promise<Model> {
  const executor = await softwareExecutor({});
  const checkpoint = await openCheckpoint(await locate(goldenPath(name)));
  return createModel({ checkpoint, ...options, executor: { ...executor, prefillRows: prefillRows ?? executor.prefillRows } });
}

interface GoldenCase {
  readonly golden: Golden;
  readonly expected: (name: string) => Float32Array;
  readonly names: readonly string[];
}

function openGolden(name: GoldenName): GoldenCase {
  const tensors = readFixtureTensors(`${goldenPath(name)}/golden.safetensors`);
  return {
    golden: readGolden(name),
    expected: (tensor) => f32Of(tensors, tensor),
    names: [...tensors.keys()],
  };
}

/** Chunks of 24 rows begin and end inside of pages and of tiles of attention. */
const CHUNK = 24;

/** Models whose prompts come whole, as the profile has them. */
const WHOLE: readonly GoldenName[] = ['llama', 'llama_bias'];

// llama_sharded is llama once more.
describe.each(goldensOn('gpu').filter((name) => name !== 'llama_sharded'))('the golden of %s on the software adapter', (folder) => {
  if (!hasGolden(folder)) return void it.skip('is in ../shared/golden', () => {});
  const prefillRows = WHOLE.includes(folder) ? undefined : CHUNK;
  const { golden, expected, names } = openGolden(folder);
  const prompts = Object.entries(golden.prompts);
  const models = new Map<number | undefined, Model>();
  const modelFor = (prompt: string) => models.get(goldenContext(folder, prompt)) as Model;
  beforeAll(async () => {
    for (const { contextLength } of goldenRuns(folder)) models.set(contextLength, await loadGolden(folder, { prefillRows, contextLength }));
  });
  afterAll(async () => {
    for (const model of models.values()) await model.dispose();
  });

  it.each(prompts)('%s: logits and hidden states', async (name, ids) => {
    const model = modelFor(name);
    expect(model.info).toMatchObject({ device: 'software', kvType: 'f32', quantisation: 'f32' });
    const layers = names.flatMap((tensor) => (tensor.startsWith(`${name}.hidden.`) ? [Number(tensor.split('.')[2])] : []));
    const { logits, hidden } = await model.forward(ids, { hidden: layers });
    expect(relativeError(logits, expected(`${name}.logits`))).toBeLessThan(TOLERANCE);
    for (const layer of layers)
      expect(relativeError(hidden.get(layer) as Float32Array, expected(`${name}.hidden.${layer}`)), `layer ${layer}`).toBeLessThan(
        TOLERANCE,
      );
  });

  it.each(prompts)('%s: greedy tokens, sampled there and here', async (name, ids) => {
    const model = modelFor(name);
    const wanted = golden.greedy[name] as number[];
    const options = { ids, temperature: 0, ignoreEos: true, maxTokens: wanted.length };
    expect((await collect(model.generate(options))).tokens).toEqual(wanted);
    // Log probabilities need the logits, so that the host samples.
    expect((await collect(model.generate({ ...options, logprobs: true }))).tokens).toEqual(wanted);
  });

  if (prefillRows === undefined) return;
  it('long: the same in one piece as in chunks', async () => {
    const run = async (each: Model) => {
      const ids = golden.prompts['long'] as number[];
      const steps: number[] = [];
      const onProgress = ({ loaded }: { loaded: number }) => steps.push(loaded);
      // Earlier tests have left pages of this prompt.
      const { tokens } = await collect(
        each.generate({ ids, temperature: 0, ignoreEos: true, maxTokens: 24, cachePrompt: false, onProgress }),
      );
      return { logits: await each.forward(ids), tokens, steps };
    };
    const whole = await loadGolden(folder, { prefillRows: 256, contextLength: goldenContext(folder, 'long') });
    try {
      const [inOne, inChunks] = [await run(whole), await run(modelFor('long'))];
      expect(inOne.steps).toEqual([0, 130]);
      expect(inChunks.steps).toEqual([0, 24, 48, 72, 96, 120, 130]);
      expect(inOne.tokens).toEqual(golden.greedy['long']);
      expect(inChunks.tokens).toEqual(golden.greedy['long']);
      expect(relativeError(inOne.logits, expected('long.logits'))).toBeLessThan(TOLERANCE);
      expect(relativeError(inChunks.logits, inOne.logits)).toBeLessThan(1e-5);
    } finally {
      await whole.dispose();
    }
  });
});

it.skipIf(!hasValuesAreKeys)('Gemma 4 with keys for values on the software adapter (needs ../shared/golden)', async () => {
  await expectValuesAreKeys(await openValuesAreKeys(), await softwareExecutor({}), TOLERANCE);
});

it.skipIf(!hasGolden('gemma4'))('Gemma 4 whose table the host reads on the software adapter (needs ../shared/golden)', async () => {
  const { golden, expected } = openGolden('gemma4');
  const model = await loadGolden('gemma4', { prefillRows: CHUNK, contextLength: undefined, perLayerTable: 'host' });
  try {
    const ids = golden.prompts['long'] as number[];
    expect(relativeError(await model.forward(ids), expected('long.logits'))).toBeLessThan(TOLERANCE);
    const wanted = golden.greedy['long'] as number[];
    // The program could sample by itself, and must not: it has no row of the token that it samples.
    expect((await collect(model.generate({ ids, temperature: 0, ignoreEos: true, maxTokens: wanted.length }))).tokens).toEqual(wanted);
  } finally {
    await model.dispose();
  }
});
