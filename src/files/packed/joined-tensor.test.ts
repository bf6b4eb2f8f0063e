import { describe, expect, it } from 'vitest';
import { bytesOfTensor, openPacked } from '../../../test/packed-folder.ts';
import type { FixtureTensor } from '../../../test/fixture-tensors.ts';
import { tensorFileBytes, utf8 } from '../../../test/model-bytes.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';
import type { Checkpoint, JsonObject } from '../../tensor/checkpoint.ts';
import { randomSource } from '../../tensor/codec/random-weights.ts';
import { f32ToF16 } from '../../tensor/half.ts';
import { openHfFolder } from '../hf-folder.ts';
import { memorySource } from '../memory-source.ts';
import { JOINED_BYTES } from './joined-tensor.ts';
import { KEPT_BYTES, STRETCH_BYTES } from './transposed-lines.ts';

const random = randomSource(7);

function words(dtype: string, shape: readonly number[]): FixtureTensor {
  const values = Uint32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() * 2 ** 32);
  return { dtype, shape, bytes: new Uint8Array(values.buffer) };
}

function halves(shape: readonly number[]): FixtureTensor {
  const values = Uint16Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => f32ToF16(random()));
  return { dtype: 'F16', shape, bytes: new Uint8Array(values.buffer) };
}

const MLX: JsonObject = { quantization: { bits: 4, group_size: 64 } };
const GPTQ: JsonObject = { quantization_config: { quant_method: 'gptq', bits: 4, group_size: 128, sym: false, desc_act: false } };
/** Rows of more than {@link JOINED_BYTES} in all, and words of more than {@link STRETCH_BYTES}. */
const [ROWS, COLS] = [2100, 1024];
const [LONG_ROWS, LONG_COLS] = [6400, 6144];

const mlxTensors = () => new Map([
  ['m.weight', words('U32', [3, ROWS / 3, COLS / 8])], ['m.scales', halves([3, ROWS / 3, COLS / 64])],
  ['m.biases', halves([3, ROWS / 3, COLS / 64])],
]);
const gptqTensors = () => new Map([
  ['m.qweight', words('I32', [LONG_COLS / 8, LONG_ROWS])], ['m.qzeros', words('I32', [LONG_COLS / 128, LONG_ROWS / 8])],
  ['m.scales', halves([LONG_COLS / 128, LONG_ROWS])],
]);

interface Traffic {
  readonly checkpoint: Checkpoint;
  /** Sizes of the reads of tensors. */
  readonly reads: number[];
}

/** A folder that notes what is read of its file. */
async function watched(tensors: ReadonlyMap<string, FixtureTensor>, config: JsonObject): Promise<Traffic> {
  const reads: number[] = [];
  const file = tensorFileBytes(tensors);
  const open = async (name: string): Promise<ByteSource | undefined> => {
    if (name === 'config.json') return memorySource(utf8({ model_type: 'llama', ...config }), name);
    if (name !== 'model.safetensors') return undefined;
    const source = memorySource(file, name);
    return { ...source, read: (offset, into, options) => (reads.push(into.length), source.read(offset, into, options)) };
  };
  const checkpoint = await openHfFolder({ name: 'memory', open });
  reads.length = 0;
  return { checkpoint, reads };
}

describe.each([['mlx', mlxTensors, MLX], ['gptq', gptqTensors, GPTQ]] as const)('a tensor of %s', (_, make, config) => {
  it('gives the same bytes in any parts', async () => {
    const checkpoint = await openPacked(make(), config);
    const entry = checkpoint.tensors.get('m.weight')!;
    const whole = await bytesOfTensor(checkpoint, 'm.weight');
    expect(whole.length).toBeGreaterThan(JOINED_BYTES);
    const last = whole.length - 70_001;
    for (const at of [0, 1, JOINED_BYTES - 3, last, ...Array.from({ length: 8 }, () => Math.floor(random() * last))]) {
      const part = new Uint8Array(1 + Math.floor(random() * 70_000));
      await entry.read(at, part);
      expect(Buffer.compare(part, whole.subarray(at, at + part.length))).toBe(0);
    }
    await expect(entry.read(whole.length - 1, new Uint8Array(2))).rejects.toThrow(RangeError);
  });

  it('stops where it is aborted', async () => {
    const checkpoint = await openPacked(make(), config);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(checkpoint.tensors.get('m.weight')!.read(0, new Uint8Array(100), { signal })).rejects.toThrow('enough');
  });
});

describe('memory', () => {
  it('rows are read in parts, each byte once', async () => {
    const tensors = mlxTensors();
    const { checkpoint, reads } = await watched(tensors, MLX);
    await bytesOfTensor(checkpoint, 'm.weight');
    expect(Math.max(...reads)).toBeLessThanOrEqual(JOINED_BYTES);
    expect(reads.reduce((a, b) => a + b, 0)).toBe([...tensors.values()].reduce((sum, { bytes }) => sum + bytes.length, 0));
  });

  it('transposed words are read in stretches, each byte once though rows are asked for in parts', async () => {
    const tensors = gptqTensors();
    const sizeBytes = tensors.get('m.qweight')!.bytes.length;
    expect(sizeBytes).toBeGreaterThan(STRETCH_BYTES);
    expect(sizeBytes).toBeLessThan(KEPT_BYTES);
    const { checkpoint, reads } = await watched(tensors, GPTQ);
    const entry = checkpoint.tensors.get('m.weight')!;
    const part = new Uint8Array(entry.sizeBytes / 32);
    for (let at = 0; at < entry.sizeBytes; at += part.length) await entry.read(at, part);
    expect(Math.max(...reads)).toBeLessThanOrEqual(STRETCH_BYTES);
    expect(reads.reduce((a, b) => a + b, 0)).toBe([...tensors.values()].reduce((sum, { bytes }) => sum + bytes.length, 0));
  });
});

it("GPTQ's stretches hold the words of each row", async () => {
  const tensors = gptqTensors();
  const entry = (await openPacked(tensors, GPTQ)).tensors.get('m.weight')!;
  const stored = new Uint32Array(tensors.get('m.qweight')!.bytes.buffer);
  // A block: scale and zero point of f16, then 16 words of codes.
  const rowBytes = (LONG_COLS / 128) * 68;
  for (const row of [0, 5375, 5376, LONG_ROWS - 1]) {
    const bytes = new Uint8Array(rowBytes);
    await entry.read(row * rowBytes, bytes);
    const found = Array.from({ length: LONG_COLS / 128 }, (_, block) => [...new Uint32Array(bytes.buffer, block * 68 + 4, 16)]).flat();
    expect(found).toEqual(Array.from({ length: LONG_COLS / 8 }, (_, line) => stored[line * LONG_ROWS + row]!));
  }
});
