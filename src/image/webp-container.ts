/** The chunks of a WebP file (RFC 9649): its size and orientation, and the first frame of an animation as a file of its own. */
import { FormatError } from '../tensor/errors.ts';
import { orientationOf } from './exif-orientation.ts';

interface Chunk {
  readonly name: string;
  readonly data: Uint8Array;
}

const RIFF_BYTES = 12;

/** @throws FormatError where one goes past the end of the file */
function chunksOf(bytes: Uint8Array, from: number, name: string): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Chunk[] = [];
  for (let at = from; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at + 4, true);
    if (at + 8 + size > bytes.length)
      throw new FormatError(`${name}: the WebP is cut: a part of it of ${size} bytes has ${bytes.length - at - 8}.`);
    chunks.push({ name: String.fromCharCode(...bytes.subarray(at, at + 4)), data: bytes.subarray(at + 8, at + 8 + size) });
    at += 8 + size + (size & 1);
  }
  return chunks;
}

interface WebpHeader {
  readonly width: number;
  readonly height: number;
  readonly orientation: number;
}

/** @throws FormatError for a cut file, and one without an image */
export function readWebpHeader(bytes: Uint8Array, name: string): WebpHeader {
  const declared = bytes.length < RIFF_BYTES ? Infinity : new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true) + 8;
  if (declared > bytes.length) throw new FormatError(`${name}: the WebP is cut: it says ${declared} bytes and has ${bytes.length}.`);
  const chunks = chunksOf(bytes, RIFF_BYTES, name);
  const exif = chunks.find((chunk) => chunk.name === 'EXIF');
  const orientation = exif === undefined ? 1 : orientationOf(exif.data);
  const [first] = chunks;
  const size = first && (first.name === 'VP8X' ? canvasSize(first) : codedSize(first));
  if (size === undefined)
    throw new FormatError(`${name}: the WebP has no image, but ${first === undefined ? 'nothing' : JSON.stringify(first.name)}.`);
  return { ...size, orientation };
}

function int24(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
}

function canvasSize({ data }: Chunk): { width: number; height: number } | undefined {
  return data.length < 10 ? undefined : { width: int24(data, 4) + 1, height: int24(data, 7) + 1 };
}

/** Of the coded image itself: RFC 6386, 9.1, and RFC 9649, 3.4. */
function codedSize({ name, data }: Chunk): { width: number; height: number } | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (name === 'VP8 ' && data.length >= 10) return { width: view.getUint16(6, true) & 0x3fff, height: view.getUint16(8, true) & 0x3fff };
  if (name !== 'VP8L' || data.length < 5) return undefined;
  const bits = view.getUint32(1, true);
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}

/** A still image of a WebP file, and where it lies on the canvas. */
export interface WebpFrame {
  /** A file of this image alone. */
  readonly file: Uint8Array;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const FRAME_HEADER_BYTES = 16;
const ALPHA_FLAG = 0x10;

/** The whole file of a still image; the first frame of an animation. @throws FormatError where there is none, or sizes disagree */
export function firstFrame(bytes: Uint8Array, name: string): WebpFrame {
  const header = readWebpHeader(bytes, name);
  const chunks = chunksOf(bytes, RIFF_BYTES, name);
  const frame = chunks.find((chunk) => chunk.name === 'ANMF')?.data;
  if (frame === undefined) {
    checkCoded(chunks, header, name);
    return { file: bytes, x: 0, y: 0, ...header };
  }
  if (frame.length < FRAME_HEADER_BYTES) throw new FormatError(`${name}: the first frame of the WebP is cut.`);
  const own = chunksOf(frame, FRAME_HEADER_BYTES, name);
  const place = { x: 2 * int24(frame, 0), y: 2 * int24(frame, 3), width: int24(frame, 6) + 1, height: int24(frame, 9) + 1 };
  checkCoded(own, place, name);
  if (place.x + place.width > header.width || place.y + place.height > header.height)
    throw new FormatError(`${name}: the first frame of the WebP lies outside of its ${header.width} x ${header.height} pixels.`);
  return { file: fileOf(own, place), ...place };
}

/** A header that says less than the image has would let an image in that is over the limits. */
function checkCoded(chunks: readonly Chunk[], size: { width: number; height: number }, name: string): void {
  const coded = chunks.map(codedSize).find((found) => found !== undefined);
  if (coded === undefined) throw new FormatError(`${name}: the WebP has no image.`);
  if (coded.width !== size.width || coded.height !== size.height)
    throw new FormatError(
      `${name}: the WebP's header says ${size.width} x ${size.height} pixels, its image has ${coded.width} x ${coded.height}.`,
    );
}

function fileOf(chunks: readonly Chunk[], { width, height }: { width: number; height: number }): Uint8Array {
  const alpha = chunks.find((chunk) => chunk.name === 'ALPH');
  const image = chunks.find((chunk) => codedSize(chunk) !== undefined) as Chunk;
  const extended = new Uint8Array(10);
  const view = new DataView(extended.buffer);
  extended[0] = ALPHA_FLAG;
  view.setUint32(4, width - 1, true);
  view.setUint16(7, (height - 1) & 0xffff, true);
  extended[9] = (height - 1) >> 16;
  return riff(alpha === undefined ? [image] : [{ name: 'VP8X', data: extended }, alpha, image]);
}

function riff(chunks: readonly Chunk[]): Uint8Array {
  const padded = ({ data }: Chunk) => 8 + data.length + (data.length & 1);
  const file = new Uint8Array(RIFF_BYTES + chunks.reduce((sum, chunk) => sum + padded(chunk), 0));
  const view = new DataView(file.buffer);
  const write = (at: number, text: string) => file.set(Uint8Array.from(text, (letter) => letter.charCodeAt(0)), at);
  write(0, 'RIFF');
  view.setUint32(4, file.length - 8, true);
  write(8, 'WEBP');
  let at = RIFF_BYTES;
  for (const chunk of chunks) {
    write(at, chunk.name);
    view.setUint32(at + 4, chunk.data.length, true);
    file.set(chunk.data, at + 8);
    at += padded(chunk);
  }
  return file;
}
