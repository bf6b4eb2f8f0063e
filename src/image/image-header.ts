/** What the first bytes of an image file say: its kind and size, and how it is to be turned. Nothing is decoded. */
import { FormatError } from '../tensor/errors.ts';
import { readJpegHeader } from './jpeg-header.ts';
import { orientationOf } from './exif-orientation.ts';
import { readWebpHeader } from './webp-container.ts';

export type ImageKind = 'PNG' | 'JPEG' | 'GIF' | 'WebP';

export interface ImageHeader {
  readonly kind: ImageKind;
  /** As the pixels are stored, before the turn. */
  readonly width: number;
  readonly height: number;
  /** EXIF's 1 to 8; 1 for none. */
  readonly orientation: number;
}

/** @throws FormatError for other kinds, by name, and for a header that is cut or cannot be meant */
export function readImageHeader(bytes: Uint8Array, name: string): ImageHeader {
  const kind = kindOf(bytes);
  if (typeof kind === 'object')
    throw new FormatError(`${name}: expected a PNG, JPEG, WebP or GIF image, found ${kind.unread}. Convert it to PNG or JPEG first.`);
  const header = READERS[kind](bytes, name);
  if (header.width === 0 || header.height === 0)
    throw new FormatError(`${name}: the ${kind}'s header says ${header.width} x ${header.height} pixels: there is nothing to see.`);
  return { kind, orientation: 1, ...header };
}

type Reader = (bytes: Uint8Array, name: string) => Omit<ImageHeader, 'kind' | 'orientation'> & Partial<Pick<ImageHeader, 'orientation'>>;

const READERS: Readonly<Record<ImageKind, Reader>> = { PNG: readPngHeader, JPEG: readJpegHeader, GIF: readGifHeader, WebP: readWebpHeader };

/** [offset, letters there, what it is]. */
const OTHERS: readonly (readonly [number, string, string])[] = [
  [0, 'BM', 'a BMP'], [0, 'II*\0', 'a TIFF'], [0, 'MM\0*', 'a TIFF'], [0, '\0\0\u0001\0', 'an icon (ICO)'], [4, 'ftypavif', 'an AVIF'],
  [4, 'ftypavis', 'an AVIF'], [4, 'ftypheic', 'a HEIC'], [4, 'ftypheix', 'a HEIC'], [4, 'ftypmif1', 'a HEIF'], [4, 'ftyp', 'an MP4 video'],
  [0, '\u00ff\n', 'a JPEG XL'], [4, 'JXL ', 'a JPEG XL'], [4, 'jP  ', 'a JPEG 2000'], [0, '%PDF', 'a PDF'], [0, '8BPS', 'a Photoshop file'],
  [0, '\u001aE\u00df\u00a3', 'a WebM or Matroska video'], [0, 'RIFF', 'a RIFF file that is no WebP'], [0, 'PK\u0003\u0004', 'a ZIP file'],
  [0, '\u001f\u008b', 'a gzip file'], [0, 'qoif', 'a QOI'],
];

/** Bytes that a file's kind is told by. */
const HEAD_BYTES = 256;

function kindOf(bytes: Uint8Array): ImageKind | { readonly unread: string } {
  if (bytes.length === 0) return { unread: 'an empty file' };
  const text = String.fromCharCode(...bytes.subarray(0, HEAD_BYTES));
  if (text.startsWith('\u0089PNG\r\n\u001a\n')) return 'PNG';
  if (text.startsWith('\u00ff\u00d8\u00ff')) return 'JPEG';
  if (/^GIF8[79]a/.test(text)) return 'GIF';
  if (text.startsWith('RIFF') && text.startsWith('WEBP', 8)) return 'WebP';
  const other = OTHERS.find(([at, letters]) => text.startsWith(letters, at));
  if (other !== undefined) return { unread: other[2] };
  const words = text.replace(/^\u00ef\u00bb\u00bf/, '').trimStart().toLowerCase();
  if (words.startsWith('<svg') || (words.startsWith('<?xml') && words.includes('<svg'))) return { unread: 'an SVG' };
  if (words.startsWith('<!doctype html') || words.startsWith('<html')) return { unread: 'a page of HTML' };
  if (words.startsWith('<?xml')) return { unread: 'XML' };
  return { unread: `a file that begins with ${JSON.stringify(text.slice(0, 12))}` };
}

const PNG_SIGNATURE_BYTES = 8;

/** ISO/IEC 15948, 5.3: chunks of a length, a name, data and a checksum; IHDR comes first. */
function readPngHeader(bytes: Uint8Array, name: string) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const letters = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes.length < 33 || letters(12) !== 'IHDR') throw new FormatError(`${name}: the PNG is cut before the end of its header.`);
  let orientation = 1;
  for (let at = PNG_SIGNATURE_BYTES; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (letters(at + 4) === 'eXIf') orientation = orientationOf(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
    if (letters(at + 4) === 'IEND') return { width: view.getUint32(16), height: view.getUint32(20), orientation };
  }
  throw new FormatError(`${name}: the PNG is cut: ${bytes.length} bytes and no end of the image (IEND).`);
}

/** The canvas of GIF89a, section 18; frames lie on it. */
function readGifHeader(bytes: Uint8Array, name: string) {
  if (bytes.length < 13) throw new FormatError(`${name}: the GIF is cut before the end of its header.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
}
