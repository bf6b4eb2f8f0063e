import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { f32Of, hasShared, readFixtureTensors, sharedPath } from '../../test/fixture-tensors.ts';
import { parakeetGolden } from '../../test/parakeet-golden.ts';
import { createFrameDecoder } from '../engine/speech/parakeet/frame-decoder.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { openDecoder } from '../models/open-decoder.ts';
import { PARAKEET_HEADS } from '../models/parakeet.ts';
import { synthPlan } from '../models/synth-shapes.ts';
import { convertFile } from './convert.ts';
import { openExecutor } from './load-model.ts';
import { locate } from './open-path.ts';

describe.each(PARAKEET_HEADS)('%s as a GGUF file', (head) => {
  it.skipIf(!hasShared(parakeetGolden(head)))('says what the folder says', async () => {
    const source = `${sharedPath}/golden/${head}`;
    const folder = mkdtempSync(join(tmpdir(), 'ingot-parakeet-'));
    try {
      const path = join(folder, 'parakeet.gguf');
      await convertFile(source, path, { type: 'f32' });
      const checkpoint = await openCheckpoint(await locate(path));
      const opened = await openDecoder(checkpoint);
      expect(opened.warnings).toEqual([]);
      const decoder = await createFrameDecoder({
        executor: await openExecutor({ device: 'cpu', threads: 2 }), decoder: opened, mostFrames: 203, sounds: 1,
      });
      await checkpoint.close();
      const [tokens] = await decoder.hear([f32Of(readFixtureTensors(`${source}/golden.safetensors`), 'input_features')]);
      await decoder.dispose();
      const golden = JSON.parse(readFileSync(`${source}/golden.json`, 'utf8')) as { greedy: number[] };
      expect(tokens!.map(({ id }) => id)).toEqual(golden.greedy);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a Parakeet of random weights', () => {
  it('may have the first of its layers alone', () => {
    const { tensors, metadata } = synthPlan('parakeet-tdt-0.6b', 'q8_0', 2);
    expect(tensors.some(({ name }) => name.includes('layers.1.')) && !tensors.some(({ name }) => name.includes('layers.2.'))).toBe(true);
    expect(metadata.get('parakeet_tdt.block_count')).toEqual({ type: 'uint32', value: 2 });
  });
});
