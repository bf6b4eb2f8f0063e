import { expect, it } from 'vitest';
import type { GpuDevice } from '../device/gpu-device.ts';
import { SequenceInputs } from './sequence-inputs.ts';

it('sizes that never change are in memory that was there with the plan, each once', () => {
  const made: string[] = [];
  const written: { readonly offset: number; readonly words: readonly number[] }[] = [];
  const gpu = {
    createBuffer({ label, size }: { label: string; size: number }) {
      made.push(label);
      return { label, size };
    },
    queue: { writeBuffer: (_: unknown, offset: number, words: Uint32Array) => void written.push({ offset, words: [...words] }) },
  } as unknown as GpuDevice;
  const inputs = new SequenceInputs({ gpu, sizes: { rows: 4 }, rows: 4, maxPages: 1, groups: 1, tileRows: 16 });
  const before = made.length;
  const found = [inputs.uniforms.of([1, 2, 3, 4, 5]), inputs.uniforms.sizeOf(7), inputs.uniforms.of([1, 2, 3, 4, 5])];
  expect(made).toHaveLength(before);
  expect(found.map(({ offset, size }) => [offset, size])).toEqual([[0, 32], [256, 16], [0, 32]]);
  expect(written).toEqual([{ offset: 0, words: [1, 2, 3, 4, 5] }, { offset: 256, words: [7] }]);
});
