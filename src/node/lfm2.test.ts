import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { f32Of, readFixtureTensors } from '../../test/fixture-tensors.ts';
import { goldenPath, readGolden } from '../../test/goldens.ts';
import { relativeError } from '../../test/relative-error.ts';
import { loadModel } from './load-model.ts';

/** The safetensors file with shapes as MLX has them: one of a convolution's two inner dimensions is 1, so that its values stay. */
function inMlxForm(file: Uint8Array): Buffer {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(Buffer.from(file.subarray(8, 8 + length)).toString()) as Record<string, { shape?: number[] }>;
  for (const [name, tensor] of Object.entries(header)) {
    if (!name.endsWith('conv.conv.weight') || tensor.shape === undefined) continue;
    const [channels, one, width] = tensor.shape as [number, number, number];
    expect(one).toBe(1);
    tensor.shape = [channels, width, 1];
  }
  const text = Buffer.from(JSON.stringify(header).padEnd(length));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([size, text, file.subarray(8 + length)]);
}

test('a float folder of MLX gives the logits of the folder that it was made of', async () => {
  const golden = goldenPath('lfm2_plain');
  const folder = mkdtempSync(join(tmpdir(), 'ingot-lfm2-'));
  try {
    copyFileSync(join(golden, 'config.json'), join(folder, 'config.json'));
    writeFileSync(join(folder, 'model.safetensors'), inMlxForm(readFileSync(join(golden, 'model.safetensors'))));
    const model = await loadModel(folder, { device: 'reference' });
    try {
      const logits = await model.forward(readGolden('lfm2_plain').prompts['mid']!);
      expect(relativeError(logits, f32Of(readFixtureTensors(join(golden, 'golden.safetensors')), 'mid.logits'))).toBeLessThan(1e-4);
    } finally {
      await model.dispose();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
