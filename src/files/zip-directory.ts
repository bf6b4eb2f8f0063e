/** Where the files of a zip archive lie (APPNOTE 6.3.10, 4.3), of those that are stored as they are. */
import type { ByteSource, ReadOptions } from '../tensor/byte-source.ts';
import { FormatError } from '../tensor/errors.ts';

export interface StoredFile {
  readonly offset: number;
  readonly sizeBytes: number;
}

const END_BYTES = 22;
const END_MAGIC = 0x06054b50;
const ENTRY_BYTES = 46;
const ENTRY_MAGIC = 0x02014b50;
const LOCAL_BYTES = 30;
const LOCAL_MAGIC = 0x04034b50;
const MOST_COMMENT = 0xffff;
const MOST_DIRECTORY_BYTES = 16 * 1024 * 1024;

interface Entry extends StoredFile {
  readonly name: string;
}

/**
 * By name: where each file's bytes are.
 * @throws FormatError for what is no zip archive, is damaged, compressed, encrypted or larger than 4 GiB
 */
export async function readZipDirectory(source: ByteSource, options?: ReadOptions): Promise<Map<string, StoredFile>> {
  const entries = await directoryOf(source, options);
  const files = new Map<string, StoredFile>();
  for (const { name, offset, sizeBytes } of entries) {
    const head = await readAt(source, { offset, sizeBytes: LOCAL_BYTES }, options);
    if (head.getUint32(0, true) !== LOCAL_MAGIC)
      throw damaged(source, `the file ${JSON.stringify(name.slice(0, 100))} does not begin where it should`);
    const begin = offset + LOCAL_BYTES + head.getUint16(26, true) + head.getUint16(28, true);
    if (begin + sizeBytes > source.sizeBytes)
      throw damaged(source, `${JSON.stringify(name.slice(0, 100))} should end at ${begin + sizeBytes}`);
    files.set(name, { offset: begin, sizeBytes });
  }
  return files;
}

async function directoryOf(source: ByteSource, options?: ReadOptions): Promise<Entry[]> {
  const end = await endOf(source, options);
  const [count, sizeBytes, offset] = [end.getUint16(10, true), end.getUint32(12, true), end.getUint32(16, true)];
  if (count === 0xffff || offset === 0xffffffff)
    throw new FormatError(`${source.name} is a zip archive of the 64-bit form, which is not read: convert it to safetensors.`);
  if (sizeBytes > MOST_DIRECTORY_BYTES || offset + sizeBytes > source.sizeBytes) throw damaged(source, `a directory of ${sizeBytes} bytes`);
  const directory = await readAt(source, { offset, sizeBytes }, options);
  const entries: Entry[] = [];
  for (let at = 0, i = 0; i < count; i++) {
    if (at + ENTRY_BYTES > sizeBytes || directory.getUint32(at, true) !== ENTRY_MAGIC) throw damaged(source, `entry ${i} of its directory`);
    const [flags, method] = [directory.getUint16(at + 8, true), directory.getUint16(at + 10, true)];
    const [nameBytes, extra, comment] = [28, 30, 32].map((field) => directory.getUint16(at + field, true)) as [number, number, number];
    if (at + ENTRY_BYTES + nameBytes > sizeBytes) throw damaged(source, `entry ${i} of its directory`);
    const name = new TextDecoder().decode(new Uint8Array(directory.buffer, directory.byteOffset + at + ENTRY_BYTES, nameBytes));
    if (method !== 0 || (flags & 1) !== 0)
      throw new FormatError(
        `${source.name}: ${JSON.stringify(name.slice(0, 100))} is compressed or encrypted; expected files stored as they are.`,
      );
    entries.push({ name, offset: directory.getUint32(at + 42, true), sizeBytes: directory.getUint32(at + 20, true) });
    at += ENTRY_BYTES + nameBytes + extra + comment;
  }
  return entries;
}

/** The record at the end, behind which there may be a comment. */
async function endOf(source: ByteSource, options?: ReadOptions): Promise<DataView> {
  const sizeBytes = Math.min(source.sizeBytes, END_BYTES + MOST_COMMENT);
  const tail = await readAt(source, { offset: source.sizeBytes - sizeBytes, sizeBytes }, options);
  for (let at = sizeBytes - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) === END_MAGIC) return new DataView(tail.buffer, tail.byteOffset + at, END_BYTES);
  }
  throw new FormatError(`${source.name} is no zip archive: it has no directory at its end. Copy or download it again.`);
}

async function readAt(source: ByteSource, { offset, sizeBytes }: StoredFile, options?: ReadOptions): Promise<DataView> {
  if (offset + sizeBytes > source.sizeBytes) throw damaged(source, `a place beyond its end (${offset + sizeBytes})`);
  const bytes = new Uint8Array(sizeBytes);
  await source.read(offset, bytes, options);
  return new DataView(bytes.buffer);
}

function damaged({ name, sizeBytes }: ByteSource, found: string): FormatError {
  return new FormatError(`${name} is a damaged zip archive of ${sizeBytes} bytes: found ${found}. Copy or download it again.`);
}
