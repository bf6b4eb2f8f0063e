import { expect, test } from 'vitest';
import { readPcm } from './pcm-reader.ts';

async function* pieces(): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(0, 64, 0);
  yield Uint8Array.of(192, 1);
}

test('samples of bytes that arrive within them; half a sample at the end is left out', async () => {
  const samples: number[] = [];
  for await (const chunk of readPcm(pieces(), 'stdin', { sampleRate: 8000, channels: 1 }).chunks) samples.push(...chunk);
  expect(samples).toEqual([0.5, -0.5]);
});

test.each([
  [{ sampleRate: 0, channels: 1 }, /sampleRate/],
  [{ sampleRate: 8000, channels: 0 }, /channels must be a whole number from 1 to 65535, found 0/],
  [{ sampleRate: 8000 }, /channels must be .* found undefined/],
  [{ sampleRate: 8000, channels: 1, encoding: 'mp3' }, /encoding must be one of uint8, int16, .* found string "mp3"/],
])('%j is refused in the caller\'s words', (format, message) => {
  expect(() => readPcm(pieces(), 'stdin', format as never)).toThrow(message);
});
