import { describe, expect, it } from 'vitest';
import { openAudio } from '../../audio/open-audio.ts';
import { joinSamples } from '../../audio/audio-stream.ts';
import { openSilero } from '../../models/silero.ts';
import { fileSource } from '../../node/file-source.ts';
import { loadVoiceDetector } from '../../node/load-voice-detector.ts';
import { f32Of, hasShared, readFixtureTensors, sharedPath } from '../../../test/fixture-tensors.ts';
import { largestDifference, piecesOf } from '../../../test/sound-pieces.ts';

const hasReal = hasShared('real/silero/silero-vad-16k.safetensors') && hasShared('real/moonshine/speech-60s.wav');

const MODEL = `${sharedPath}/real/silero/silero-vad-16k.safetensors`;

async function speech(): Promise<Float32Array> {
  const stream = await openAudio(await fileSource(`${sharedPath}/real/moonshine/speech-60s.wav`));
  expect(stream).toMatchObject({ sampleRate: 16_000, channels: 1 });
  const parts: Float32Array[] = [];
  for await (const chunk of stream.chunks) parts.push(chunk.slice());
  return joinSamples(parts);
}

async function heard(pieces: readonly Float32Array[], device: 'cpu' | 'reference' = 'cpu'): Promise<Float32Array> {
  const detector = await loadVoiceDetector(MODEL, { device });
  try {
    const stream = detector.open();
    const given: Float32Array[] = [];
    for (const piece of pieces) given.push(await stream.push(piece));
    given.push(await stream.end());
    stream.close();
    return joinSamples(given);
  } finally {
    await detector.dispose();
  }
}

describe.skipIf(!hasReal)("Silero's probabilities", () => {
  it('equal those of onnxruntime over 60 s, on the CPU', async () => {
    const golden = f32Of(readFixtureTensors(`${sharedPath}/real/silero/golden.safetensors`), 'probabilities');
    const samples = await speech();
    const probabilities = await heard([samples]);
    expect(largestDifference(probabilities, golden)).toBeLessThan(1e-4);
  });

  it('do not depend on pieces, and streams do not mix', async () => {
    const samples = (await speech()).subarray(0, 40_000);
    const whole = await heard([samples]);
    expect(largestDifference(await heard(piecesOf(samples, 3000, 4)), whole)).toBeLessThan(1e-5);
    const detector = await loadVoiceDetector(MODEL);
    const [a, b] = [detector.open(), detector.open()];
    const both = await Promise.all([samples, samples.map((value) => -0.3 * value)].map(async (sound, i) => {
      const stream = [a, b][i]!;
      return joinSamples([await stream.push(sound.subarray(0, 20_000)), await stream.push(sound.subarray(20_000)), await stream.end()]);
    }));
    expect(largestDifference(both[0]!, whole)).toBeLessThan(1e-5);
    expect(largestDifference(both[1]!, whole)).toBeGreaterThan(1e-3);
    a.close();
    await expect(a.push(samples)).rejects.toThrow('is closed');
    await detector.dispose();
  });

  it('go on for longer than a minute', async () => {
    const detector = await loadVoiceDetector(MODEL);
    const stream = detector.open();
    // 80 s in one stream, more than page tables of its rows would hold.
    for (let i = 0; i < 8; i++) expect((await stream.push(new Float32Array(160_000))).length).toBeGreaterThan(310);
    stream.close();
    await detector.dispose();
  });

  it('equal those of the reference', async () => {
    const samples = (await speech()).subarray(0, 6000);
    expect(largestDifference(await heard([samples]), await heard([samples], 'reference'))).toBeLessThan(2e-5);
  });

  it('refuses files of other models', async () => {
    await expect(openSilero('x', new Map())).rejects.toThrow("expected Silero's voice detector");
  });
});
