import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hasShared } from '../../test/fixture-tensors.ts';
import { checkMoonshine, checkRecording, MOONSHINE_FOLDER, MOONSHINE_GOLDEN, MOONSHINE_REAL } from '../../test/moonshine-golden.ts';
import { convertFile } from '../node/convert.ts';
import { loadModel, openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

describe.skipIf(!hasShared(MOONSHINE_GOLDEN))('moonshine hears and says what transformers does', () => {
  test('on the reference', () => checkMoonshine(createReferenceExecutor(), 2e-5));

  test.each([1, 3])('on the CPU with %i thread(s)', async (threads) => {
    await checkMoonshine(await openExecutor({ device: 'cpu', threads }), 5e-5);
  });

  test('from the GGUF file that convert makes of it, which is no model of text', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ingot-moonshine-'));
    try {
      const path = join(folder, 'moonshine.gguf');
      await convertFile(MOONSHINE_FOLDER, path, { type: 'f32', vocabulary: 'none' });
      await checkMoonshine(createReferenceExecutor(), 2e-5, path);
      await expect(loadModel(path, { device: 'reference' })).rejects.toThrow(/hears speech and answers no text: use transcribe/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test.skipIf(!hasShared(MOONSHINE_REAL))('the real model gives the ids of all six pieces of its recording, on the CPU', async () => {
  await checkRecording(await openExecutor({ device: 'cpu', threads: 2 }), [0, 1, 2, 3, 4, 5]);
});
