/** The markers of a JPEG file (ITU T.81, annex B): its size, its orientation, and whether it can be decoded in bounded time. */
import { FormatError } from '../tensor/errors.ts';
import { orientationOf } from './exif-orientation.ts';

const [SOI, EOI, SOS, DHT, JPG, DAC, APP1] = [0xd8, 0xd9, 0xda, 0xc4, 0xc8, 0xcc, 0xe1];
/** Frames that are read: baseline, extended and progressive, in Huffman's code. */
const FRAMES = new Set([0xc0, 0xc1, 0xc2]);
/** Each scan of a progressive image goes over all its pixels; cameras and programs write about ten. */
const MOST_SCANS = 100;

interface JpegHeader {
  readonly width: number;
  readonly height: number;
  readonly orientation: number;
}

/** @throws FormatError for a cut file, kinds of JPEG that are not read, two frames, and more scans than anybody writes */
export function readJpegHeader(bytes: Uint8Array, name: string): JpegHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let size: { width: number; height: number } | undefined;
  let orientation = 1;
  let scans = 0;
  for (let at = 2; ; ) {
    at = nextMarker(bytes, at);
    const marker = bytes[at + 1];
    if (marker === undefined || (marker !== EOI && at + 4 > bytes.length))
      throw new FormatError(`${name}: the JPEG is cut: ${bytes.length} bytes and no end of the image.`);
    if (marker === EOI) break;
    if (marker === SOI || (marker >= 0xd0 && marker <= 0xd7) || marker === 0x01) {
      at += 2;
      continue;
    }
    const segment = bytes.subarray(at + 4, at + 2 + view.getUint16(at + 2));
    if (isFrame(marker)) {
      if (size !== undefined) throw new FormatError(`${name}: the JPEG has two frames: it is damaged, or made to deceive.`);
      size = readFrame(marker, segment, name);
    }
    if (marker === SOS && ++scans > MOST_SCANS)
      throw new FormatError(`${name}: the JPEG has more than ${MOST_SCANS} scans: it is made to keep a reader busy.`);
    if (marker === APP1 && orientation === 1) orientation = orientationOf(segment);
    at += 2 + view.getUint16(at + 2);
  }
  if (size === undefined || scans === 0) throw new FormatError(`${name}: the JPEG ends before its image begins.`);
  return { ...size, orientation };
}

function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== DHT && marker !== JPG && marker !== DAC;
}

/** The next 0xff with something other than a stuffed zero, or a fill byte, behind it. */
function nextMarker(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes[at + 1];
    if (next !== 0 && next !== 0xff) return at;
  }
  return bytes.length;
}

function readFrame(marker: number, segment: Uint8Array, name: string): { width: number; height: number } {
  if (!FRAMES.has(marker)) {
    const what = marker === 0xc3 ? 'lossless' : marker > 0xc8 ? 'arithmetic coded' : 'hierarchical';
    throw new FormatError(`${name}: ${what} JPEG is not read: save it as a usual JPEG (baseline or progressive) or as PNG.`);
  }
  if (segment.length < 6) throw new FormatError(`${name}: the JPEG's frame header is cut.`);
  const view = new DataView(segment.buffer, segment.byteOffset, segment.byteLength);
  if (view.getUint8(0) !== 8) throw new FormatError(`${name}: a JPEG of ${view.getUint8(0)} bits a colour is not read: save it with 8.`);
  return { height: view.getUint16(1), width: view.getUint16(3) };
}
