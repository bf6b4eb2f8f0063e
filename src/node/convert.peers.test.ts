import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { embeddingModel, openFiles } from '../../test/embedding-model.ts';
import { hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { goldenPath, goldenRuns, hasGolden, readGolden } from '../../test/goldens.ts';
import { hasLlamaPeer, loadInLlama } from '../../test/llama-peer.ts';
import { LLAMA_VARIANTS, llamaVariant } from '../../test/llama-variants.ts';
import { collect } from '../engine/collect.ts';
import { convert, convertFile } from './convert.ts';
import type { ConvertOptions } from './convert.ts';
import { fileSink } from './file-sink.ts';

/** Its first load on a busy machine takes most of a minute. */
const LOADING_MS = 240_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-convert-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Those that llama.cpp computes as transformers does; it has no key for what is in the others (llama-gguf.test.ts says what). */
const GOLDENS = ['llama', 'llama_bias', 'qwen2', 'qwen3', 'phi3_longrope', 'ministral3', 'gemma4', 'olmo3', 'lfm2_plain',
  'gemma4_moe',
] as const;

describe.skipIf(!hasLlamaPeer)('a converted golden in llama.cpp gives the greedy ids of transformers', () => {
  for (const name of GOLDENS) {
    const convertAndCompare = async () => {
      const path = join(folder, `${name}.gguf`);
      // Of another name: llama.cpp asks a file with phi3 in its name for tokens that a made vocabulary does not have.
      await convertFile(goldenPath(name), path, { type: 'f32', vocabulary: 'made', modelName: 'golden' });
      const { greedy } = readGolden(name);
      const peer = await loadInLlama(path, 256);
      try {
        // llama.cpp has no context of less than 256 positions, so that a prompt that asks for one is left out.
        const prompts = goldenRuns(name).flatMap((run) => (run.contextLength === undefined ? run.prompts : []));
        for (const [prompt, ids] of prompts) {
          const want = greedy[prompt]!;
          expect([prompt, await peer.greedy(ids, want.length)]).toEqual([prompt, want]);
        }
      } finally {
        await peer.dispose();
      }
    };
    test.skipIf(!hasGolden(name))(`${name}, f32 with a made vocabulary`, convertAndCompare, LOADING_MS);
  }
});

/** How many ids each prompt goes on for. */
const VARIANT_STEPS = 12;

describe.skipIf(!hasLlamaPeer)('a golden as far as llama.cpp computes it, converted, gives the greedy ids of Ingot in llama.cpp', () => {
  async function idsOf(files: ReadonlyMap<string, Uint8Array>, prompts: readonly number[][]): Promise<number[][]> {
    const model = await embeddingModel(files, { device: 'reference' });
    try {
      const found: number[][] = [];
      for (const ids of prompts) {
        const options = { ids, temperature: 0, ignoreEos: true, maxTokens: VARIANT_STEPS };
        found.push([...(await collect(model.generate(options))).tokens]);
      }
      return found;
    } finally {
      await model.dispose();
    }
  }

  for (const name of Object.keys(LLAMA_VARIANTS) as (keyof typeof LLAMA_VARIANTS)[]) {
    const compare = async () => {
      const files = llamaVariant(name);
      const path = join(folder, `${name}-variant.gguf`);
      await convert(await openFiles(files), await fileSink(path), { type: 'f32', vocabulary: 'made', modelName: 'golden' });
      const prompts = Object.values(readGolden(name).prompts);
      const wanted = await idsOf(files, prompts);
      const peer = await loadInLlama(path, 256);
      try {
        const found: number[][] = [];
        for (const prompt of prompts) found.push(await peer.greedy(prompt, VARIANT_STEPS));
        expect(found).toEqual(wanted);
      } finally {
        await peer.dispose();
      }
    };
    test.skipIf(!hasGolden(name))(name, compare, LOADING_MS);
  }
});

interface EmberGolden {
  readonly prompts: readonly {
    readonly id: string;
    readonly text: string;
    readonly ids: number[];
    readonly greedy_ids: number[];
    readonly greedy_smallest_lead: number;
  }[];
}

/**
 * Where the best logit leads the next by less, rounded weights may choose the other (`story` comes down to 0.002; the rest lead by 9 and
 * more).
 */
const NEAR_TIE = 0.05;

describe.skipIf(!hasLlamaPeer || !hasShared('ember-21m/model.safetensors'))('ember-21m from ../shared, converted, in llama.cpp', () => {
  async function checkConversion(type: ConvertOptions['type']): Promise<void> {
    const path = join(folder, `ember-${type}.gguf`);
    await convertFile(`${sharedPath}/ember-21m`, path, { type });
    const golden = JSON.parse(readFileSync(`${sharedPath}/ember-21m/golden.json`, 'utf8')) as EmberGolden;
    const peer = await loadInLlama(path, 512);
    try {
      for (const prompt of golden.prompts) {
        expect([prompt.id, peer.model.tokenize(prompt.text, true)]).toEqual([prompt.id, prompt.ids]);
        const got = await peer.greedy(prompt.ids, prompt.greedy_ids.length);
        const exact = type === 'f32' || prompt.greedy_smallest_lead > NEAR_TIE;
        const count = exact ? prompt.greedy_ids.length : 1;
        expect([prompt.id, got.slice(0, count)]).toEqual([prompt.id, prompt.greedy_ids.slice(0, count)]);
      }
      expect(peer.model.isEogToken(4080) && peer.model.isEogToken(4082)).toBe(true);
    } finally {
      await peer.dispose();
    }
  }

  test.each(['f32', 'q4_k_m'] as const)('%s', { timeout: LOADING_MS }, checkConversion);
  test.each(['f16', 'bf16', 'q8_0', 'q4_0'] as const)('%s', { tags: 'slow', timeout: LOADING_MS }, checkConversion);
});
