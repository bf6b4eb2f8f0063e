import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { goldenPath } from '../../test/goldens.ts';
import type { WeightSource } from '../graph/executor.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { openDecoder } from '../models/open-decoder.ts';
import { quantizeWeights } from '../models/quantize-weights.ts';
import { qwen3 } from '../models/qwen3.ts';
import { convertFile } from './convert.ts';
import { locate } from './open-path.ts';

const openPath = async (path: string) => openCheckpoint(await locate(path));

const folder = mkdtempSync(join(tmpdir(), 'ingot-quantize-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function bytesOf(source: WeightSource): Promise<Uint8Array> {
  const bytes = new Uint8Array(source.sizeBytes);
  await source.read(0, bytes);
  return bytes;
}

describe('quantised while loading', () => {
  test.each(['q4_0', 'q8_0', 'q4_k_m', 'mxfp4'] as const)('%s gives the weights of the file that convert writes', async (type) => {
    const made = join(folder, `${type}.gguf`);
    await convertFile(goldenPath('qwen3'), made, { type });
    const [checkpoint, file] = [await openPath(goldenPath('qwen3')), await openPath(made)];
    const [{ weights }, wanted] = [await openDecoder(checkpoint, { quantize: type }), await openDecoder(file)];
    expect([...weights.keys()].toSorted()).toEqual([...wanted.weights.keys()].toSorted());
    for (const [id, want] of wanted.weights) {
      const source = weights.get(id)!;
      // What stays as it is keeps the file's type of floats.
      if (want.shape.length > 1) expect([id, source.type, source.sizeBytes]).toEqual([id, want.type, want.sizeBytes]);
      if (source.type === want.type) expect(Buffer.compare(await bytesOf(source), await bytesOf(want)), id).toBe(0);
    }
    await Promise.all([checkpoint.close(), file.close()]);
  });

  test('any stretch of bytes is that of the whole', async () => {
    const checkpoint = await openPath(goldenPath('qwen3'));
    const { weights } = await openDecoder(checkpoint, { quantize: 'q4_0' });
    const source = weights.get('layers.0.mlp.down')!;
    const whole = await bytesOf(source);
    for (const [start, length] of [[0, 1], [17, 40], [whole.length - 3, 3], [5, whole.length - 9]] as const) {
      const into = new Uint8Array(length);
      await source.read(start, into);
      expect(Buffer.compare(into, whole.subarray(start, start + length))).toBe(0);
    }
    await checkpoint.close();
  });

  test('what is quantised already, other types and values that cannot be encoded are refused', async () => {
    const made = join(folder, 'again.gguf');
    await convertFile(goldenPath('qwen3'), made, { type: 'q8_0' });
    const file = await openPath(made);
    await expect(openDecoder(file, { quantize: 'q4_0' })).rejects.toThrow(
      /quantize "q4_0" is for weights of floats; .*again.gguf holds q8_0/,
    );
    await file.close();
    const checkpoint = await openPath(goldenPath('qwen3'));
    await expect(openDecoder(checkpoint, { quantize: 'f16' as 'q4_0' })).rejects.toThrow(/quantize must be one of q8_0, q4_0/);
    const { weights, config } = await openDecoder(checkpoint);
    const bad = new Map([...weights].map(([id, source]) => [id, id === 'embedding' ? nanSource(source) : source]));
    const specs = qwen3.weights(config as never);
    const read = quantizeWeights(bad, { type: 'q4_0', specs, config, where: 'x' }).get('embedding')!;
    await expect(bytesOf(read)).rejects.toThrow(/expected finite weights, found NaN at row 0, column 0/);
    await checkpoint.close();
  });
});

function nanSource(source: WeightSource): WeightSource {
  return { ...source, read: (_, into) => Promise.resolve(void into.fill(0xff)) };
}
