import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { f32Of, readFixtureTensors } from '../../test/fixture-tensors.ts';
import { goldenFolder, llamaGguf } from '../../test/llama-gguf.ts';
import { relativeError } from '../../test/relative-error.ts';
import type { Model } from '../engine/api.ts';
import { loadModel } from './load-model.ts';

interface Golden {
  readonly prompts: Readonly<Record<string, number[]>>;
}

/** Of the range of the logits. */
const LIMIT = 1e-4;

/** Goldens of which llama.cpp's form says all, so that its file has to give the golden's own logits. */
const SAME = ['llama', 'llama_bias', 'qwen3'];

/**
 * Goldens with what that form cannot say: the file is made of a config that it can say, and transformers' logits of that config are
 * expected (VARIANTS in scripts/fixtures/llama_gguf.py says what differs, and each fixture's `changes`).
 */
const CHANGED = ['mistral'];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-llama-gguf-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function withGguf(bytes: Uint8Array, body: (model: Model) => Promise<void>): Promise<void> {
  const path = join(folder, 'model.gguf');
  writeFileSync(path, bytes);
  const model = await loadModel(path, { device: 'reference' });
  try {
    // The form's keys are all known: none is told as one that may change what is computed.
    expect(model.info.warnings).toEqual([]);
    await body(model);
  } finally {
    await model.dispose();
  }
}

const promptsOf = (golden: string) => (JSON.parse(readFileSync(join(golden, 'golden.json'), 'utf8')) as Golden).prompts;

const isHere = (name: string) => goldenFolder(name) !== undefined;

describe("GGUF files that llama.cpp's own script wrote of goldens", () => {
  for (const name of SAME) {
    test.skipIf(!isHere(name))(`${name}: the golden's logits`, async () => {
      const golden = goldenFolder(name)!;
      const tensors = readFixtureTensors(join(golden, 'golden.safetensors'));
      await withGguf(llamaGguf(name, golden).bytes, async (model) => {
        for (const [prompt, ids] of Object.entries(promptsOf(golden))) {
          const logits = await model.forward(ids);
          expect(relativeError(logits, f32Of(tensors, `${prompt}.logits`)), prompt).toBeLessThan(LIMIT);
        }
      });
    });
  }

  for (const name of CHANGED) {
    test.skipIf(!isHere(name))(`${name}, as far as the form says it: transformers' logits`, async () => {
      const golden = goldenFolder(name)!;
      const { bytes, expected } = llamaGguf(name, golden);
      await withGguf(bytes, async (model) => {
        const logits = await model.forward(promptsOf(golden)['mid']!);
        expect(relativeError(logits, expected!.logits!)).toBeLessThan(LIMIT);
        // What the form does not say matters: the golden itself is something else.
        const tensors = readFixtureTensors(join(golden, 'golden.safetensors'));
        expect(relativeError(logits, f32Of(tensors, 'mid.logits'))).toBeGreaterThan(LIMIT);
      });
    });
  }
});
