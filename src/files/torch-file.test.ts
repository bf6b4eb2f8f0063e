/** Files of torch.save, by torch itself (scripts/fixtures/torch_files.py), damaged ones, and ones that ask for more than tensors. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { isWeightType } from '../tensor/tensor-type.ts';
import { memorySource } from './memory-source.ts';
import { readTorchFile } from './torch-file.ts';

const FILES = JSON.parse(readFileSync(`${fixturesPath}speech/torch-files.json`, 'utf8')) as Readonly<Record<string, string>> & {
  readonly tensors: Readonly<Record<string, readonly [readonly number[], readonly number[]]>>;
};
const bytesOf = (name: string) => new Uint8Array(Buffer.from(FILES[name] as string, 'base64'));
const read = (bytes: Uint8Array) => readTorchFile(memorySource(bytes, 'weights.pth'), 'weights.pth');

describe('files of torch.save', () => {
  test('tensors by their keys, without the part that a wrapper left', async () => {
    const tensors = await read(bytesOf('state'));
    expect([...tensors.keys()].toSorted()).toEqual(Object.keys(FILES.tensors).toSorted());
    for (const [name, [shape, values]] of Object.entries(FILES.tensors)) {
      const entry = tensors.get(name)!;
      expect(entry.shape).toEqual(shape);
      const bytes = new Uint8Array(entry.sizeBytes);
      await entry.read(0, bytes);
      const found = new Float32Array(values.length);
      if (!isWeightType(entry.type)) throw new Error(entry.type);
      decodeRows(entry.type, bytes, found);
      expect([...found], name).toEqual(values);
    }
  });

  test('a tensor alone', async () => {
    const tensors = await read(bytesOf('voice'));
    expect([...tensors].map(([name, { shape, type }]) => [name, shape, type])).toEqual([['', [3, 1, 4], 'f32']]);
  });

  test.each([
    ['asking', /asks for "(posix|nt|os) system".*nothing of it is run.*Convert it to safetensors/],
    ['model', /asks for "torch\.nn\.modules\.linear Linear"/],
    ['transposed', /values in another order than rows/],
    ['compressed', /is compressed or encrypted/],
  ])('%s is refused by name', async (name, message) => {
    await expect(read(bytesOf(name))).rejects.toThrow(message);
  });

  test('what is cut or changed anywhere is an error that says so, or still reads', async () => {
    const whole = bytesOf('state');
    for (let length = 0; length < whole.length; length += 37)
      await expect(read(whole.slice(0, length)), `${length} bytes`).rejects.toMatchObject({ name: 'FormatError' });
    for (let at = 0; at < whole.length; at += 5) {
      const changed = whole.slice();
      changed[at]! ^= 0x55;
      await read(changed).catch((error: Error) => expect(error.name, `byte ${at}: ${error.message}`).toBe('FormatError'));
    }
  });
});
