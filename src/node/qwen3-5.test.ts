/** What lies beside Qwen3.5's text model is left out by name. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hasShared, readFixtureTensors, sharedPath } from '../../test/fixture-tensors.ts';
import { goldenPath, hasGolden } from '../../test/goldens.ts';
import { llamaGguf } from '../../test/llama-gguf.ts';
import { memoryFolder } from '../files/memory-source.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { openDecoder } from '../models/open-decoder.ts';
import { locate } from './open-path.ts';

const DRAFTS = 'of the head that predicts several tokens, which is kept for later';

/** What a checkpoint's text model leaves out: names in order, and their one reason. */
async function leftOut(checkpoint: Checkpoint) {
  try {
    const { skipped, warnings } = await openDecoder(checkpoint);
    expect(warnings).toEqual([]);
    return { names: skipped.map(({ name }) => name).toSorted(), reasons: [...new Set(skipped.map(({ reason }) => reason))] };
  } finally {
    await checkpoint.close();
  }
}

const namesIn = (path: string, isOther: (name: string) => boolean) =>
  [...readFixtureTensors(join(path, 'model.safetensors')).keys()].filter(isOther).toSorted();

test.skipIf(!hasGolden('qwen3_5_mtp'))('the head that drafts tokens, of a folder and of a GGUF file', async () => {
  const golden = goldenPath('qwen3_5_mtp');
  const names = namesIn(golden, (name) => name.startsWith('mtp.'));
  expect(names).toHaveLength(15);
  expect(await leftOut(await openCheckpoint(await locate(golden)))).toEqual({ names, reasons: [DRAFTS] });
  const folder = memoryFolder(new Map([['model.gguf', llamaGguf('qwen3_5_mtp', golden).bytes]]), 'memory');
  const ofGguf = await leftOut(await openCheckpoint({ folder, fileName: 'model.gguf' }));
  expect(ofGguf.reasons).toEqual([DRAFTS]);
  expect(ofGguf.names).toHaveLength(15);
  for (const name of ofGguf.names) expect(name).toMatch(/^blk\.2\./);
});

test.skipIf(!hasGolden('qwen3_5_mtp'))('a layer of its own that a file calls a head is not left out', async () => {
  const folder = memoryFolder(new Map([['model.gguf', llamaGguf('qwen3_5_mtp', goldenPath('qwen3_5_mtp')).bytes]]), 'memory');
  const whole = await openCheckpoint({ folder, fileName: 'model.gguf' });
  const metadata = new Map([...whole.metadata, ['qwen35.nextn_predict_layers', 2] as const]);
  await expect(leftOut({ ...whole, metadata })).rejects.toThrow(
    /qwen35\.nextn_predict_layers 2 makes layer 1 a head that drafts tokens: expected tensor blk\.1\.nextn\.eh_proj\.weight, found none/,
  );
  const tensors = new Map([...whole.tensors].filter(([name]) => !name.startsWith('blk.2.')));
  expect((await leftOut({ ...whole, tensors })).names).toEqual([]);
});

test.skipIf(!hasShared('golden/qwen3_5_vl/model.safetensors'))('the vision tower of a folder is loaded', async () => {
  const golden = join(sharedPath, 'golden/qwen3_5_vl');
  expect(namesIn(golden, (name) => name.startsWith('model.visual.')).length).toBeGreaterThan(10);
  expect(await leftOut(await openCheckpoint(await locate(golden)))).toEqual({ names: [], reasons: [] });
});
