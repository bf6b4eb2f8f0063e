/** Files of torch.save, by torch itself (scripts/fixtures/torch_files.py), damaged ones, and ones that ask for more than tensors. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { isWeightType } from '../tensor/tensor-type.ts';
import { memorySource } from './memory-source.ts';
import { readPickle } from './tensor-pickle.ts';
import { readTorchFile } from './torch-file.ts';

const FILES = JSON.parse(readFileSync(`${fixturesPath}speech/torch-files.json`, 'utf8')) as Readonly<Record<string, string>> & {
  readonly tensors: Readonly<Record<string, readonly [readonly number[], readonly number[]]>>;
};
const bytesOf = (name: string) => new Uint8Array(Buffer.from(FILES[name] as string, 'base64'));
const read = (bytes: Uint8Array) => readTorchFile(memorySource(bytes, 'weights.pth'), 'weights.pth');

/** A zip archive of one file, stored as it is. */
function zipOf(fileName: string, bytes: Uint8Array): Uint8Array {
  const name = Buffer.from(fileName);
  const [local, entry, end] = [Buffer.alloc(30), Buffer.alloc(46), Buffer.alloc(22)];
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(name.length, 26);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt32LE(bytes.length, 20);
  entry.writeUInt16LE(name.length, 28);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length + name.length, 12);
  end.writeUInt32LE(local.length + name.length + bytes.length, 16);
  return Buffer.concat([local, name, bytes, entry, name, end]);
}

/** Opcodes of a dict (`}`) or list (`]`) that is remembered by `at` and then left. */
const remembered = (opens: string, at: number, holds: readonly number[]): number[] => [opens.charCodeAt(0), ...holds, 0x71, at, 0x30];

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

  test('small files that stand for more than any machine holds are refused at once', async () => {
    const start = process.cpuUsage().user;
    // Each of eight dicts holds the one before a thousand times.
    const holds = (before: number) => Array.from({ length: 1000 }, (_, i) => [0x4d, i & 255, i >> 8, 0x68, before, 0x73]).flat();
    const nested = Array.from({ length: 8 }, (_, i) => remembered('}', i + 1, holds(i))).flat();
    const dicts = [...remembered('}', 0, []), ...nested, 0x68, 8, 0x2e];
    await expect(read(zipOf('a/data.pkl', Uint8Array.from(dicts)))).rejects.toThrow(/more than 262144 entries/);
    // A list that holds one twice, which holds one twice, 60 deep, as the name of a module.
    const twice = Array.from({ length: 60 }, (_, i) => remembered(']', i + 1, [0x28, 0x68, i, 0x68, i, 0x65])).flat();
    const lists = Uint8Array.from([...remembered(']', 0, []), ...twice, 0x68, 60, 0x8c, 1, 0x78, 0x93, 0x2e]);
    expect(() => readPickle(lists, 'x')).toThrow(/a name that is no text/);
    const filled = (opcodes: string) => Uint8Array.from(Buffer.from(`]${opcodes.repeat(1_000_001)}.`));
    expect(() => readPickle(filled('}a'), 'x')).toThrow(/more than 1000000 values/);
    expect(() => readPickle(filled('('), 'x')).toThrow(/more than 1000000 values/);
    expect((process.cpuUsage().user - start) / 1000).toBeLessThan(5000);
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
