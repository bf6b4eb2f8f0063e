/** A GGUF model cut in two, as llama.cpp's gguf-split does it: all keys in the first part, and in each part its own tensors. */
import { readGgufHeader } from '../src/files/gguf-header.ts';
import { memorySource } from '../src/files/memory-source.ts';
import { ByteBuilder } from './model-bytes.ts';

const ALIGNMENT = 32;
/** The magic, the version, and the numbers of tensors and of keys. */
const HEADER_BYTES = 24;

interface RawTensor {
  /** Its name, shape and type, as the file has them. */
  readonly facts: Uint8Array;
  /** With the padding behind it. */
  readonly data: Uint8Array;
}

/** Tensors as they lie in a file, whose order is that of their facts. @param at where the facts begin */
function rawTensors(bytes: Uint8Array, count: number, at: number): readonly RawTensor[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const found: { facts: Uint8Array; offset: number }[] = [];
  for (let index = 0, from = at; index < count; index++) {
    const rank = from + 8 + Number(view.getBigUint64(from, true));
    const end = rank + 4 + 8 * view.getUint32(rank, true) + 4;
    found.push({ facts: bytes.subarray(from, end), offset: Number(view.getBigUint64(end, true)) });
    from = end + 8;
    at = from;
  }
  const data = bytes.subarray(Math.ceil(at / ALIGNMENT) * ALIGNMENT);
  return found.map(({ facts, offset }, index) => ({ facts, data: data.subarray(offset, found[index + 1]?.offset) }));
}

/** @param firstBytes what the tensors of the first part take at least */
export async function splitGguf(bytes: Uint8Array, firstBytes: number): Promise<readonly [Uint8Array, Uint8Array]> {
  const { tensors } = await readGgufHeader(memorySource(bytes, 'whole'));
  const named = new ByteBuilder().string(tensors[0]!.name).build();
  const keysEnd = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(named);
  const keys = bytes.subarray(HEADER_BYTES, keysEnd);
  const keyCount = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(16, true);
  const all = rawTensors(bytes, tensors.length, keysEnd);
  let size = 0;
  const cut = all.findIndex(({ data }) => (size += data.length) >= firstBytes) + 1;
  const part = (no: number, own: readonly RawTensor[]): Uint8Array => {
    const header = new ByteBuilder().bytes(bytes.subarray(0, 8)).scalar('u64', own.length);
    header.scalar('u64', no === 0 ? Number(keyCount) + 3 : 3).bytes(no === 0 ? keys : new Uint8Array());
    for (const [key, type, value] of [
      ['no', 'u16', no],
      ['count', 'u16', 2],
      ['tensors.count', 'i32', all.length],
    ] as const)
      header
        .string(`split.${key}`)
        .scalar('u32', type === 'u16' ? 2 : 5)
        .scalar(type, value);
    let offset = 0;
    for (const { facts, data } of own) {
      header.bytes(facts).scalar('u64', offset);
      offset += data.length;
    }
    header.bytes(new Uint8Array(-header.length & (ALIGNMENT - 1)));
    for (const { data } of own) header.bytes(data);
    return header.build();
  };
  return [part(0, all.slice(0, cut)), part(1, all.slice(cut))];
}
