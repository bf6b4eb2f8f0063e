import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { poolingFiles } from '../../test/embedding-model.ts';
import { f32Of, fixturesPath, readFixtureTensors, sharedPath } from '../../test/fixture-tensors.ts';
import { goldenPath, goldenRuns, hasGolden, readGolden } from '../../test/goldens.ts';
import type { Golden, GoldenName } from '../../test/goldens.ts';
import { llamaGguf } from '../../test/llama-gguf.ts';
import type { LlamaGguf } from '../../test/llama-gguf.ts';
import { tensorFileBytes } from '../../test/model-bytes.ts';
import { relativeError } from '../../test/relative-error.ts';
import type { Model } from '../engine/api.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { convertFile } from './convert.ts';
import { loadModel } from './load-model.ts';
import type { LoadModelOptions } from './load-model.ts';
import { locate } from './open-path.ts';

/** Of the range of the logits. */
const LIMIT = 1e-4;

/**
 * Goldens of which llama.cpp's form says all, so that its file has to give the golden's own logits. phi3's window is in its file, though
 * llama.cpp itself passes over it (its pull request 13676).
 */
const SAME: readonly GoldenName[] = [
  'llama', 'llama_bias', 'qwen2', 'qwen3', 'phi3', 'phi3_longrope', 'ministral3', 'gemma4', 'lfm2_plain', 'qwen3_5', 'qwen3_5_mtp',
  'qwen3_5_moe', 'gpt_oss', 'gemma4_moe',
];

/**
 * Goldens with what that form cannot say: the file is made of a config that it can say, and transformers' logits of that config are
 * expected (VARIANTS in scripts/fixtures/llama_gguf.py says what differs, and each fixture's `changes`).
 */
const CHANGED: readonly GoldenName[] = ['mistral', 'smollm3', 'qwen2_window', 'gemma3', 'olmo3', 'qwen3_moe', 'lfm2_moe'];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-llama-gguf-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function withGguf(bytes: Uint8Array, options: LoadModelOptions, body: (model: Model) => Promise<void>): Promise<void> {
  const path = join(folder, 'model.gguf');
  writeFileSync(path, bytes);
  const model = await loadModel(path, { ...options, device: 'reference' });
  try {
    // The form's keys are all known: none is told as one that may change what is computed.
    expect(model.info.warnings).toEqual([]);
    await body(model);
  } finally {
    await model.dispose();
  }
}

describe("GGUF files that llama.cpp's own script wrote of goldens", () => {
  for (const name of SAME) {
    test.skipIf(!hasGolden(name))(`${name}: the golden's logits`, async () => {
      const golden = goldenPath(name);
      const tensors = readFixtureTensors(join(golden, 'golden.safetensors'));
      for (const { contextLength, prompts } of goldenRuns(name)) {
        await withGguf(llamaGguf(name, golden).bytes, { contextLength }, async (model) => {
          for (const [prompt, ids] of prompts) {
            const logits = await model.forward(ids);
            expect(relativeError(logits, f32Of(tensors, `${prompt}.logits`)), prompt).toBeLessThan(LIMIT);
          }
        });
      }
    });
  }

  for (const name of CHANGED) {
    test.skipIf(!hasGolden(name))(`${name}, as far as the form says it: transformers' logits`, async () => {
      const golden = goldenPath(name);
      const { bytes, expected } = llamaGguf(name, golden);
      await withGguf(bytes, {}, async (model) => {
        const logits = await model.forward(readGolden(name).prompts['mid']!);
        expect(relativeError(logits, expected.logits!)).toBeLessThan(LIMIT);
        // What the form does not say matters: the golden itself is something else.
        const tensors = readFixtureTensors(join(golden, 'golden.safetensors'));
        expect(relativeError(logits, f32Of(tensors, 'mid.logits'))).toBeGreaterThan(LIMIT);
      });
    });
  }
});

const EMBEDDER = join(sharedPath, 'golden/embedding_gemma');

test.skipIf(!existsSync(EMBEDDER))("embedding_gemma by llama.cpp's script: transformers' embedding", async () => {
  const { bytes, expected } = llamaGguf('embedding_gemma', EMBEDDER);
  const { prompts } = JSON.parse(readFileSync(join(EMBEDDER, 'golden.json'), 'utf8')) as Golden;
  await withGguf(bytes, {}, async (model) => {
    const [embedding] = await model.embed([prompts['mid']!]);
    expect(relativeError(embedding!, expected.embedding!)).toBeLessThan(LIMIT);
  });
});

/** Encoders, whose states are pooled to their mean. */
const ENCODERS = ['bert', 'nomic_bert'] as const;
const encoderPath = (name: (typeof ENCODERS)[number]) => join(fixturesPath, 'golden', name);

test.each(ENCODERS)("%s by llama.cpp's script: the golden's embeddings", async (name) => {
  const path = encoderPath(name);
  const { prompts } = JSON.parse(readFileSync(join(path, 'golden.json'), 'utf8')) as Pick<Golden, 'prompts'>;
  const tensors = readFixtureTensors(join(path, 'golden.safetensors'));
  await withGguf(llamaGguf(name, path).bytes, {}, async (model) => {
    const embeddings = await model.embed(Object.values(prompts));
    for (const [i, prompt] of Object.keys(prompts).entries())
      expect(relativeError(embeddings[i]!, f32Of(tensors, `${prompt}.mean_pooled`)), prompt).toBeLessThan(LIMIT);
  });
});

/** Keys that `ingot convert` writes and that script leaves out, because llama.cpp finds the same by itself or has no such setting. */
const OUR_KEYS = [
  'vocab_size', 'rope.dimension_count', 'attention.key_length', 'attention.value_length', 'attention.scale',
  'attention.sliding_window_pattern', 'attention.rope_pattern',
];

/** Keys that the two write otherwise, and mean the same by. */
const OTHERWISE: Readonly<Record<string, readonly string[]>> = {
  // A period where theirs is a list, which llama.cpp passes over; a base that is the other's; a magnitude that yarn has by itself.
  olmo3: ['attention.sliding_window_pattern', 'rope.freq_base_swa', 'rope.scaling.yarn_attn_factor'],
  // The original context of a rotation that nothing scales.
  phi3: ['rope.scaling.original_context_length'],
  // Equal mscale and mscale_all_dim: yarn's own magnitude times its inverse, or a multiplier that has llama.cpp take it out.
  ministral3: ['rope.scaling.attn_factor', 'rope.scaling.yarn_log_multiplier'],
  // The head that drafts tokens is not written.
  qwen3_5_mtp: ['nextn_predict_layers', 'block_count'],
  // Said here, and a fact of the architecture in llama.cpp.
  embedding_gemma: ['attention.causal'],
};

async function openGguf(path: string): Promise<Checkpoint> {
  return openCheckpoint(await locate(path));
}

async function valuesOf(checkpoint: Checkpoint, name: string): Promise<Float32Array> {
  const bytes = new Uint8Array(checkpoint.tensors.get(name)!.sizeBytes);
  await checkpoint.tensors.get(name)!.read(0, bytes);
  return new Float32Array(bytes.buffer);
}

/** The golden as the file was made of it: with the changes of its config, and of its layers. */
function changedGolden(golden: string, { changes, layers }: Pick<LlamaGguf, 'changes' | 'layers'>): string {
  const copy = mkdtempSync(join(folder, 'golden-'));
  cpSync(golden, copy, { recursive: true, filter: (path) => !path.includes('golden.') });
  for (const name of ['config.json', 'model.safetensors']) rmSync(join(copy, name));
  const config = JSON.parse(readFileSync(join(golden, 'config.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(copy, 'config.json'), JSON.stringify({ ...config, ...changes }));
  const tensors = [...readFixtureTensors(join(golden, 'model.safetensors'))];
  const ofLayer = (own: number, n: number) =>
    tensors
      .filter(([name]) => name.includes(`layers.${own}.`))
      .map(([name, tensor]) => [name.replace(`layers.${own}.`, `layers.${n}.`), tensor] as const);
  const made = layers === undefined ? tensors : [...tensors.filter(([name]) => !name.includes('layers.')), ...layers.flatMap(ofLayer)];
  writeFileSync(join(copy, 'model.safetensors'), tensorFileBytes(new Map(made)));
  const isPooled = ENCODERS.some((name) => encoderPath(name) === golden);
  for (const [name, content] of Object.entries(isPooled ? poolingFiles('mean_tokens') : {})) {
    mkdirSync(dirname(join(copy, name)), { recursive: true });
    writeFileSync(join(copy, name), JSON.stringify(content));
  }
  return copy;
}

async function expectSameTensors(ours: Checkpoint, theirs: Checkpoint): Promise<void> {
  const layers = ours.metadata.get(`${ours.architecture}.block_count`) as number;
  const isCommon = (name: string) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? 0) < layers;
  const shapes = ({ tensors }: Checkpoint) =>
    [...tensors.values()].filter(({ name }) => isCommon(name)).map(({ name, type, shape }) => `${name} ${type} ${shape.join()}`).toSorted();
  expect(shapes(ours)).toEqual(shapes(theirs));
  for (const name of ours.tensors.keys()) {
    const [got, want] = [await valuesOf(ours, name), await valuesOf(theirs, name)];
    // What is computed on the way, and not copied, may differ in the last bit.
    if (/^rope_f|\.ssm_a$/.test(name)) for (const [i, value] of want.entries()) expect(got[i]! / value).toBeCloseTo(1, 6);
    else expect([name, Buffer.compare(Buffer.from(got.buffer), Buffer.from(want.buffer))]).toEqual([name, 0]);
  }
}

function expectSameKeys(ours: Checkpoint, theirs: Checkpoint, otherwise: readonly string[]): void {
  expect(ours.architecture).toBe(theirs.architecture);
  const own = ({ metadata }: Checkpoint) => new Map([...metadata].filter(([key]) => key.startsWith(`${theirs.architecture}.`)));
  const [got, want] = [own(ours), own(theirs)];
  const key = (name: string) => `${theirs.architecture}.${name}`;
  for (const name of otherwise) for (const keys of [got, want]) keys.delete(key(name));
  for (const name of OUR_KEYS) if (!want.has(key(name))) got.delete(key(name));
  expect(Object.fromEntries(got)).toEqual(Object.fromEntries(want));
}

describe("ingot convert writes the tensors and keys of llama.cpp's own script", () => {
  const goldens = new Map<string, string>([...SAME, ...CHANGED].map((name) => [name, goldenPath(name)]));
  for (const name of ENCODERS) goldens.set(name, encoderPath(name));
  for (const [name, golden] of goldens.set('embedding_gemma', EMBEDDER)) {
    test.skipIf(!existsSync(golden))(name, async () => {
      const made = llamaGguf(name, golden);
      const [ourPath, theirPath] = [join(folder, 'ours.gguf'), join(folder, 'theirs.gguf')];
      writeFileSync(theirPath, made.bytes);
      await convertFile(changedGolden(golden, made), ourPath, { type: 'f32' });
      const [ours, theirs] = [await openGguf(ourPath), await openGguf(theirPath)];
      try {
        expectSameKeys(ours, theirs, OTHERWISE[name] ?? []);
        await expectSameTensors(ours, theirs);
      } finally {
        await ours.close();
        await theirs.close();
      }
    });
  }
});
