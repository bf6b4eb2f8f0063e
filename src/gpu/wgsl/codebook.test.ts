/** Entries of codebooks, made for eight codes at a time: every byte of two codes at every place of a word, beside other codes. */
import { afterAll, beforeAll, expect, describe, it } from 'vitest';
import { openTestDevice } from '../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../test/gpu-harness.ts';
import { WEIGHT_TYPES } from '../../tensor/formats/weight-formats.ts';
import { kernelHeader } from '../kernel.ts';
import { packedFormatOf } from '../packed-layout.ts';
import type { PackedBlocks } from '../packed-layout.ts';
import { expansionFunction } from './codebook.ts';

/** A type for each codebook. */
const BOOKS: ReadonlyMap<string, PackedBlocks> = new Map(
  WEIGHT_TYPES.flatMap((type) => {
    const format = packedFormatOf(type);
    return format.kind === 'blocks' && format.layout.code.kind === 'integers' ? [[String(format.layout.code.values), format] as const] : [];
  }),
);

describe.each([...BOOKS.values()])('codebook of $type', (format) => {
  let device: TestDevice;
  beforeAll(async () => {
    device = await openTestDevice();
  });
  afterAll(() => device.close());

  it('entries of all codes', async () => {
    const words = Uint32Array.from({ length: 256 }, (_, b) => {
      const others = [b, 7 * b + 3, 13 * b + 5, 255 - b];
      return others.reduce((word, byte, at) => word | ((byte & 255) << (8 * at)), 0);
    });
    const bindings = [
      { name: 'x', access: 'read' as const, type: 'array<u32>' }, { name: 'y', access: 'write' as const, type: 'array<vec2<u32>>' },
    ];
    const wgsl = `${kernelHeader(bindings, {})}
${expansionFunction('expanded', format)}
@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) { y[lane] = expanded(x[lane]); }`;
    const kernel = { key: `codebook ${format.type}`, label: 'codebook', wgsl, bindings, workgroupSize: 256, needs: {} };
    const out = await device.run({ kernel, workgroups: [1, 1, 1], buffers: { x: words, y: new Uint32Array(512) } });
    const entries = new Int8Array((out.get('y') as Uint32Array).buffer);
    const { values } = format.layout.code as { readonly values: readonly number[] };
    const codes = [...words].flatMap((word) => [0, 4].flatMap((shift) => [0, 8, 16, 24].map((byte) => (word >>> (byte + shift)) & 15)));
    expect([...entries]).toEqual(codes.map((code) => values[code]));
  });
});
