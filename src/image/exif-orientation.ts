/** How a camera was held, out of EXIF: a TIFF directory (CIPA DC-008, 4.6). */

const ORIENTATION = 0x0112;
const SHORT = 3;

/** EXIF's 1 to 8; 1 where it says nothing that can be meant. @param exif from its byte order mark on; `Exif\0\0` may stand before it */
export function orientationOf(exif: Uint8Array): number {
  const isPrefixed = String.fromCharCode(...exif.subarray(0, 6)) === 'Exif\0\0';
  const tiff = isPrefixed ? exif.subarray(6) : exif;
  if (tiff.length < 8) return 1;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return 1;
  const isLittle = order === 0x4949;
  const directory = view.getUint32(4, isLittle);
  if (directory + 2 > tiff.length) return 1;
  const entries = view.getUint16(directory, isLittle);
  for (let at = directory + 2, i = 0; i < entries && at + 12 <= tiff.length; i++, at += 12) {
    if (view.getUint16(at, isLittle) !== ORIENTATION || view.getUint16(at + 2, isLittle) !== SHORT) continue;
    const value = view.getUint16(at + 8, isLittle);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}
