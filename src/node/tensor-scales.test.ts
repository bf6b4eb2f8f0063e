/** GGUF files with a scale beside a matrix, as llama.cpp writes NVFP4: what the matrices times their scales give. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { goldenPath, readGolden } from '../../test/goldens.ts';
import { relativeError } from '../../test/relative-error.ts';
import { createModel } from '../engine/model.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { printModel } from '../graph/model-graphs.ts';
import { openDecoder } from '../models/open-decoder.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import type { Checkpoint, TensorEntry } from '../tensor/checkpoint.ts';
import { convertFile } from './convert.ts';
import { locate } from './open-path.ts';

let folder: string;
let path: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-tensor-scales-'));
  path = join(folder, 'llama.gguf');
  await convertFile(goldenPath('llama_bias'), path, { type: 'f32' });
});
const opened: Checkpoint[] = [];
afterAll(async () => {
  await Promise.all(opened.map((checkpoint) => checkpoint.close()));
  rmSync(folder, { recursive: true, force: true });
});

/** Llama with biases, as it is. */
async function openFile(): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(await locate(path));
  opened.push(checkpoint);
  return checkpoint;
}

/** A tensor of its own of f32 values. */
function floatsEntry(name: string, values: readonly number[], like: TensorEntry): TensorEntry {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return {
    ...like, name, type: 'f32', shape: [values.length], sizeBytes: bytes.length,
    read: async (at, into) => into.set(bytes.subarray(at, at + into.length)),
  };
}

/** The file with matrices divided by scales, powers of two, which lie beside them. */
async function scaledFile(scales: Readonly<Record<string, readonly number[]>>, divided = true): Promise<Checkpoint> {
  const own = await openFile();
  const tensors = new Map(own.tensors);
  for (const [base, values] of Object.entries(scales)) {
    const matrix = own.tensors.get(`${base}.weight`) as TensorEntry;
    tensors.set(`${base}.scale`, floatsEntry(`${base}.scale`, values, matrix));
    tensors.set(`${base}.input_scale`, floatsEntry(`${base}.input_scale`, [0.5], matrix));
    if (!divided) continue;
    tensors.set(matrix.name, {
      ...matrix,
      async read(at, into, options) {
        await matrix.read(at, into, options);
        const floats = new Float32Array(into.buffer, into.byteOffset, into.length / 4);
        floats.forEach((value, i) => (floats[i] = value / values[0]!));
      },
    });
  }
  return { ...own, tensors };
}

const IDS = Object.values(readGolden('llama_bias').prompts)[0]!;

async function logitsOf(checkpoint: Checkpoint): Promise<Float32Array> {
  const model = await createModel({ checkpoint, executor: createReferenceExecutor() });
  try {
    return await model.forward(IDS);
  } finally {
    await model.dispose();
  }
}

/** q, k and v of one scale, so that x is multiplied once; gate and up of two. */
const SCALES = {
  'blk.0.attn_q': [4], 'blk.0.attn_k': [4], 'blk.0.attn_v': [4], 'blk.0.ffn_gate': [0.25], 'blk.1.ffn_up': [8], 'blk.1.ffn_down': [0.5],
};

it('multiplies products, before their biases', async () => {
  const wanted = await logitsOf(await openFile());
  expect(relativeError(await logitsOf(await scaledFile(SCALES)), wanted)).toBeLessThan(1e-6);
  expect(relativeError(await logitsOf(await scaledFile(SCALES, false)), wanted)).toBeGreaterThan(1e-2);
});

it('once for products of one value with one scale; what is not read says why', async () => {
  const { model, skipped } = await openDecoder(await scaledFile(SCALES));
  expect([...printModel(model).matchAll(/ = scale\(/g)]).toHaveLength(4);
  expect(skipped.find(({ name }) => name === 'blk.0.attn_q.scale')?.reason).toBe('multiplies what its matrix is multiplied by');
  expect(skipped.find(({ name }) => name === 'blk.0.attn_q.input_scale')?.reason).toMatch(/FP4/);
});

it.each([
  [{ 'blk.0.attn_q': [1, 2] }, 'expected blk.0.attn_q.scale to be f32 [1], found f32 [2]'],
  [{ 'blk.0.attn_q': [NaN] }, 'blk.0.attn_q.scale[0] must be a number above 0, found NaN'],
  [{ token_embd: [2] }, /scales of matrices of plain products only, found one of \S*embed\S* \(embed\)/],
])('%j is refused', async (scales, problem) => {
  await expect(openDecoder(await scaledFile(scales, false))).rejects.toThrow(problem);
});
