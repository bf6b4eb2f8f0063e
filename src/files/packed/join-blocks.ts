/** Codes, scales and minimums of some rows to blocks, by the record of their format; and the check that all of them are numbers. */
import { FormatError } from '../../tensor/errors.ts';
import { readScale, SCALE_BYTES } from '../../tensor/formats/scale-values.ts';
import type { ScaleFormat } from '../../tensor/formats/scale-values.ts';
import type { BlockFormat } from '../../tensor/formats/weight-format.ts';
import type { Planes } from './plane.ts';

export interface JoinOptions {
  /** Values of a row. */
  readonly cols: number;
  /** Their names are for messages. */
  readonly planes: Planes;
}

/** Bytes of codes, of scales and, where the format has them, of minimums of `count` rows to their blocks; `row` is for messages. */
export type BlockJoiner = (planes: readonly Uint8Array[], row: number, count: number) => Uint8Array;

/** @throws Error for a format whose blocks are not those planes in other places */
export function blockJoiner(format: BlockFormat, { cols, planes }: JoinOptions): BlockJoiner {
  const { name, blockSize, blockBytes, groupsPerBlock, scale, minimum, codePlanes, codeBits } = format;
  const [plane, more] = codePlanes;
  if (plane === undefined || more !== undefined || scale.levels !== 1 || (minimum !== undefined && minimum.value.levels !== 1))
    throw new Error(`${name} is no format that planes are joined into`);
  const codeBytes = (blockSize * codeBits) / 8;
  const scaleBytes = groupsPerBlock * SCALE_BYTES[scale.format];
  const putCodes = plane.run === 'stream' || codeBits === 8 ? copyBytes : pairsToRuns(plane.run);
  const groups = (cols / blockSize) * groupsPerBlock;
  return ([codes, scales, minimums], row, count) => {
    checkScales(scale.format, scales!, { plane: planes.scales.name, row, groups });
    if (minimums !== undefined) checkScales(scale.format, minimums, { plane: planes.minimums!.name, row, groups });
    if (format.code.kind === 'floats') checkFloatCodes(codes!, { plane: planes.codes.name, row, cols });
    const out = new Uint8Array((count * cols * blockBytes) / blockSize);
    spread(scales!, out, { size: scaleBytes, offset: scale.offset, blockBytes, put: copyBytes });
    if (minimums !== undefined && minimum?.value.levels === 1)
      spread(minimums, out, { size: scaleBytes, offset: minimum.value.offset, blockBytes, put: copyBytes });
    spread(codes!, out, { size: codeBytes, offset: plane.offset, blockBytes, put: putCodes });
    return out;
  };
}

type Put = (from: Uint8Array, at: number, out: Uint8Array, to: number, size: number) => void;

interface Spread {
  /** Bytes of a plane in a block, and where they lie in it. */
  readonly size: number;
  readonly offset: number;
  readonly blockBytes: number;
  readonly put: Put;
}

/** Each `size` bytes of a plane to their place in one block after another; by words where both allow it, which is several times faster. */
function spread(from: Uint8Array, out: Uint8Array, { size, offset, blockBytes, put }: Spread): void {
  if (put === copyBytes && [size, offset, blockBytes, from.byteOffset].every((bytes) => bytes % 4 === 0)) {
    const source = new Uint32Array(from.buffer, from.byteOffset, from.length / 4);
    const words = new Uint32Array(out.buffer, out.byteOffset, out.length / 4);
    for (let at = 0, to = offset / 4; at < source.length; to += blockBytes / 4) {
      for (let i = 0; i < size / 4; i++) words[to + i] = source[at++]!;
    }
    return;
  }
  for (let at = 0, to = offset; at < from.length; at += size, to += blockBytes) put(from, at, out, to, size);
}

const copyBytes: Put = (from, at, out, to, size) => {
  for (let i = 0; i < size; i++) out[to + i] = from[at + i]!;
};

/** Codes of 4 bits: elements 2k and 2k + 1 of byte k to i and i + run of a byte. */
function pairsToRuns(run: number): Put {
  return (from, at, out, to, size) => {
    for (let first = 0; first < size; first += run) {
      for (let k = 0; k < run / 2; k++) {
        const low = from[at + first + k]!;
        const high = from[at + first + run / 2 + k]!;
        out[to + first + 2 * k] = (low & 15) | ((high & 15) << 4);
        out[to + first + 2 * k + 1] = (low >> 4) | (high & 0xf0);
      }
    }
  };
}

interface ScalePlace {
  readonly plane: string;
  readonly row: number;
  /** Scales of a row. */
  readonly groups: number;
}

/** Whether a scale's bits, of a folder's tensor, are no finite number. */
const IS_BAD: Readonly<Record<ScaleFormat, (bits: number) => boolean>> = {
  f16: (bits) => (bits & 0x7c00) === 0x7c00,
  bf16: (bits) => (bits & 0x7f80) === 0x7f80,
  f32: (bits) => (bits & 0x7f800000) === 0x7f800000,
  e8m0: (bits) => bits === 255,
  e8m0Half: (bits) => bits === 255,
  // Blocks hold no sign.
  ue4m3Half: (bits) => (bits & 0x7f) === 0x7f || bits > 0x80,
  e4m3: (bits) => (bits & 0x7f) === 0x7f,
};

/** What a folder's tensor holds in place of what blocks take it for. */
const READ_AS: Partial<Record<ScaleFormat, ScaleFormat>> = { e8m0Half: 'e8m0', ue4m3Half: 'e4m3' };

function checkScales(format: ScaleFormat, bytes: Uint8Array, { plane, row, groups }: ScalePlace): void {
  const size = SCALE_BYTES[format];
  const isBad = IS_BAD[format];
  const numbers = numbersOf(bytes, size);
  let at = 0;
  while (at < numbers.length && !isBad(numbers[at]!)) at++;
  if (at === numbers.length) return;
  const bits = bytes.subarray(at * size, (at + 1) * size);
  const value = readScale(READ_AS[format] ?? format, bits, 0);
  throw new FormatError(
    `${plane}: expected finite numbers${format === 'ue4m3Half' ? ' from 0 on' : ''}, found ${value} in row ` +
      `${row + Math.floor(at / groups)}, group ${at % groups}. The file is damaged: get it again.`,
  );
}

/** Little-endian numbers of 1, 2 or 4 bytes. */
function numbersOf(bytes: Uint8Array, size: number): Uint8Array | Uint16Array | Uint32Array {
  if (size === 1) return bytes;
  const { buffer, byteOffset, length } = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return size === 2 ? new Uint16Array(buffer, byteOffset, length / 2) : new Uint32Array(buffer, byteOffset, length / 4);
}

interface CodePlace {
  readonly plane: string;
  readonly row: number;
  readonly cols: number;
}

/** Codes that are e4m3, whose 0x7f and 0xff are NaN. */
function checkFloatCodes(codes: Uint8Array, { plane, row, cols }: CodePlace): void {
  const words = new Uint32Array(codes.buffer, codes.byteOffset, codes.length >> 2);
  // A carry into the highest bit of a byte: its other seven are set.
  if (!words.some((word) => (((word & 0x7f7f7f7f) + 0x01010101) & 0x80808080) !== 0)) return;
  const at = codes.findIndex((code) => (code & 0x7f) === 0x7f);
  throw new FormatError(
    `${plane}: expected e4m3 values, found NaN in row ${row + Math.floor(at / cols)}, column ${at % cols}. ` +
      'The file is damaged: get it again.',
  );
}
