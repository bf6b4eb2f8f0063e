/** Files of a packed npm package (gzip over POSIX ustar with pax headers, IEEE 1003.1 "pax"): those whose names are asked for. */
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { createByteReader } from '../../audio/byte-reader.ts';
import { FormatError } from '../../tensor/errors.ts';
import type { CancelSignal } from '../../tensor/platform.ts';

const BLOCK = 512;
/** Longest pax header: it holds names. */
const MOST_HEADER_BYTES = 1024 * 1024;

interface TarHeader {
  readonly name: string;
  readonly sizeBytes: number;
  readonly kind: string;
}

export interface TarOptions {
  /** Of the files in the archive, as `package/package.json`. */
  readonly names: readonly string[];
  /** Most bytes of all of them together. */
  readonly mostBytes: number;
  readonly signal?: CancelSignal | undefined;
}

/**
 * The files of `names`, in memory.
 * @throws FormatError for what is no such archive, ends early, lacks a file, or has more bytes than `mostBytes`
 */
export async function tarEntries(path: string, { names, mostBytes, signal }: TarOptions): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const archive = createReadStream(path).on('error', (error) => unpacked.destroy(error));
  const unpacked = createGunzip();
  const reader = createByteReader(archive.pipe(unpacked) as AsyncIterable<Uint8Array>, path);
  const damaged = (what: string): FormatError => new FormatError(`${path}: ${what}. The file is damaged: get it again.`);
  const take = async (count: number): Promise<Uint8Array> => {
    const bytes = await reader.take(count);
    if (bytes.length < count) throw damaged('the archive ends early');
    return bytes;
  };
  let room = mostBytes;
  let longName: string | undefined;
  try {
    while (found.size < names.length) {
      signal?.throwIfAborted();
      const header = readHeader(await take(BLOCK));
      if (header === undefined) break;
      const { kind, sizeBytes } = header;
      if (!Number.isSafeInteger(sizeBytes)) throw damaged('a header of the archive has no size');
      const padded = Math.ceil(sizeBytes / BLOCK) * BLOCK;
      if (kind === 'x') {
        if (sizeBytes > MOST_HEADER_BYTES) throw damaged('a header of the archive is too long');
        longName = paxPath((await take(padded)).subarray(0, sizeBytes));
        continue;
      }
      const name = longName ?? header.name;
      longName = undefined;
      if (!names.includes(name)) {
        if (await reader.skip(padded) < padded) throw damaged('the archive ends early');
        continue;
      }
      room -= sizeBytes;
      if (room < 0) throw damaged(`its files have more than ${mostBytes} bytes`);
      found.set(name, (await take(padded)).slice(0, sizeBytes));
    }
  } catch (error) {
    throw (error as { code?: string }).code?.startsWith('Z_') ? damaged('it is no gzip archive') : error;
  } finally {
    await reader.close();
    archive.destroy();
  }
  const missing = names.find((name) => !found.has(name));
  if (missing !== undefined) throw new FormatError(`${path} holds no ${missing}: it is another package, or another version.`);
  return found;
}

/** Undefined at the end of the archive, which is a block of zeros. */
function readHeader(block: Uint8Array): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  const text = (from: number, length: number): string => {
    const bytes = block.subarray(from, from + length);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end));
  };
  const prefix = text(345, 155);
  const sizeText = text(124, 12).trim();
  const sizeBytes = /^[0-7]+$/.test(sizeText) ? Number.parseInt(sizeText, 8) : Number.NaN;
  return { name: prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`, sizeBytes, kind: text(156, 1) };
}

/** The name in a pax header: records "LENGTH KEY=VALUE\n". */
function paxPath(bytes: Uint8Array): string | undefined {
  return /^\d+ path=(.*)$/m.exec(new TextDecoder().decode(bytes))?.[1];
}
