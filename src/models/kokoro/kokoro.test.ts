import { describe, expect, test } from 'vitest';
import { spectraOfSamples } from '../../engine/speech/kokoro/source-spectra.ts';
import { openVoiceFolder } from '../../files/voice-folder.ts';
import { directorySource } from '../../node/file-source.ts';
import { openExecutor } from '../../node/load-model.ts';
import { createReferenceExecutor } from '../../reference/reference-executor.ts';
import { f32Of, hasShared, readFixtureTensors } from '../../../test/fixture-tensors.ts';
import { checkKokoro, goldenSource, KOKORO_FOLDER, KOKORO_GOLDEN } from '../../../test/kokoro-golden.ts';
import { parseKokoroConfig } from './kokoro-config.ts';

const configOf = async () => {
  const checkpoint = await openVoiceFolder(directorySource(KOKORO_FOLDER));
  try {
    return parseKokoroConfig(checkpoint);
  } finally {
    await checkpoint.close();
  }
};

describe.skipIf(!hasShared(KOKORO_GOLDEN))('kokoro speaks as its own code does', () => {
  test('on the reference', () => checkKokoro(createReferenceExecutor(), 5e-5));

  test.each([1, 3])('on the CPU, %i threads', async (threads) => {
    await checkKokoro(await openExecutor({ device: 'cpu', threads }), 1e-4);
  });

  test('the source, in float64, of pitches below 0 too', async () => {
    const tensors = readFixtureTensors(`${KOKORO_FOLDER}/golden.safetensors`);
    const found = goldenSource(f32Of(tensors, 'source.f0'), await configOf(), false);
    const wanted = f32Of(tensors, 'source.merged_float64');
    found.forEach((sample, t) => expect(Math.abs(sample - wanted[t]!), `sample ${t}`).toBeLessThan(1e-6));
  });

  test('spectra of the source, as complex numbers', async () => {
    const tensors = readFixtureTensors(`${KOKORO_FOLDER}/golden.safetensors`);
    const [source, har] = ['short.source', 'short.har'].map((name) => f32Of(tensors, name)) as [Float32Array, Float32Array];
    const found = spectraOfSamples(source, (await configOf()).generator);
    const frames = har.length / 22;
    for (let frame = 0; frame < frames; frame++) {
      for (let k = 0; k < 11; k++) {
        const at = (row: number) => har[row * frames + frame]!;
        const [size, phase] = [found[frame * 22 + k]!, found[frame * 22 + 11 + k]!];
        expect(Math.abs(size * Math.cos(phase) - at(k) * Math.cos(at(11 + k)))).toBeLessThan(1e-5);
        expect(Math.abs(size * Math.sin(phase) - at(k) * Math.sin(at(11 + k)))).toBeLessThan(1e-5);
        if (k === 0 || k === 10) expect(phase === 0 || phase === Math.fround(Math.PI), `bin ${k}: ${phase}`).toBe(true);
        expect(phase).toBeGreaterThanOrEqual(Math.fround(-Math.PI));
      }
    }
  });
});
