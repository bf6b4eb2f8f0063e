/** Sounds of the tests, and streams of them cut anywhere. */
import { joinSamples } from '../src/audio/audio-stream.ts';
import type { StreamStage } from '../src/audio/audio-stream.ts';
import { randomSource } from '../src/tensor/codec/random-weights.ts';

/** Tones and noise within full scale. */
export function testSound(length: number, seed = 1): Float32Array {
  const random = randomSource(seed);
  return Float32Array.from({ length }, (_, t) => 0.4 * Math.sin(t * 0.05) + 0.2 * Math.sin(t * 0.71) + 0.3 * (random() - 0.5));
}

/** Pieces of 0 to about `most` samples, by the seed. */
export function piecesOf<Values extends Float32Array | Uint8Array>(values: Values, most: number, seed: number): Values[] {
  const random = randomSource(seed);
  const pieces: Values[] = [];
  for (let at = 0; at < values.length; ) {
    const length = Math.floor(random() * random() * (most + 1));
    pieces.push(values.slice(at, at + length) as Values);
    at += length;
  }
  return pieces;
}

/** What a stage gives for a sound cut into pieces. */
export function throughPieces(stage: StreamStage, samples: Float32Array, most: number, seed: number): Float32Array {
  const given = piecesOf(samples, most, seed).map((piece) => stage.push(piece).slice());
  return joinSamples([...given, stage.end()]);
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} values beside ${b.length}`);
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= most)) most = difference;
  }
  return most;
}

/** [columns, rows] of [rows, columns]. */
export function transposed(values: Float32Array, rows: number): Float32Array {
  const columns = values.length / rows;
  return Float32Array.from({ length: values.length }, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
}

/** As an iterable that arrives. */
export async function* arriving<Item>(items: Iterable<Item>): AsyncGenerator<Item> {
  for (const item of items) yield item;
}
