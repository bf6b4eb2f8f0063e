/**
 * How the WASM kernels name weight types: small numbers for types with kernels of their own, and for all others a number that is made
 * of the format's record and holds how codes and scales lie in a block. `assembly/weight-type.ts` reads it.
 */
import { CapacityError } from '../tensor/errors.ts';
import { E2M1_DOUBLED, E4M3_VALUES, SCALE_BYTES } from '../tensor/formats/scale-values.ts';
import type { ScaleFormat } from '../tensor/formats/scale-values.ts';
import { IQ4_VALUES } from '../tensor/formats/iq4-nl.ts';
import type { SubScalePacking } from '../tensor/formats/sub-scales.ts';
import type { BlockFormat, CodePlane, GroupScale, WeightFormat } from '../tensor/formats/weight-format.ts';
import { formatOf } from '../tensor/formats/weight-formats.ts';
import type { WeightType } from '../tensor/formats/weight-formats.ts';

/** Types with kernels of their own. */
const OWN_CODES: Readonly<Record<string, number>> = { f32: 0, f16: 1, bf16: 2, q8_0: 3, q4_0: 4, q4_k: 5, q6_k: 6 };

/** @throws CapacityError for a format that the CPU has no kernel for */
export function weightCode(type: WeightType): number {
  return codeOfFormat(formatOf(type));
}

/** As {@link weightCode}, of a record. */
export function codeOfFormat(format: WeightFormat): number {
  const code = OWN_CODES[format.name] ?? (format.kind === 'block' ? packedCode(format) : undefined);
  if (code === undefined) throw new CapacityError(`The CPU has no kernel for weights of type ${format.name}.`);
  return code;
}

type Arrangement = 'nibbles16' | 'nibbles16High' | 'nibbles32High' | 'nibbles8' | 'pairs32' | 'pairs32High' | 'stream';
type Meaning = 'itself' | 'lessHalf' | 'iq4' | 'e2m1' | 'e4m3';
type Minimum = 'none' | 'added' | 'subtracted' | 'timesScale';
type Scales = ScaleFormat | SubScalePacking;

/** The numbers of `assembly/weight-type.ts`. */
const ARRANGEMENTS: Readonly<Record<Arrangement, number>> = {
  nibbles16: 1, nibbles16High: 2, nibbles32High: 3, nibbles8: 4, pairs32: 5, pairs32High: 6, stream: 7,
};
const SCALES: Partial<Record<Scales, number>> = {
  f16: 0, bf16: 1, f32: 2, e8m0: 3, e8m0Half: 4, ue4m3Half: 5, k4: 6, nibbles: 7, k3: 8, xs: 9,
};
const MINIMUMS: Readonly<Record<Minimum, number>> = { none: 0, added: 1, subtracted: 2, timesScale: 3 };
const MEANINGS: Readonly<Record<Meaning, number>> = { itself: 0, lessHalf: 1, iq4: 2, e2m1: 3, e4m3: 4 };

/** Where the two levels of each packing lie in the super-blocks that the kernels know: offsets of d, of the integers and of dmin. */
const SUPER_BLOCKS: Partial<Record<SubScalePacking, readonly [number, number, number?]>> = {
  k4: [0, 4, 2], nibbles: [80, 0, 82], k3: [108, 96], xs: [0, 2],
};

/** What kernels of single rows there are: arrangement, scales, minimum, meaning and elements of a group. */
const KERNELS: readonly (readonly [Arrangement, readonly Scales[], Minimum, Meaning, readonly number[]])[] = [
  ['nibbles16', ['f16'], 'added', 'itself', [32]],
  ['nibbles16', ['f16'], 'none', 'iq4', [32]],
  ['nibbles16', ['xs'], 'none', 'iq4', [32]],
  ['nibbles16', ['e8m0Half'], 'none', 'e2m1', [32]],
  ['nibbles16High', ['f16'], 'none', 'lessHalf', [32]],
  ['nibbles16High', ['f16'], 'added', 'itself', [32]],
  ['nibbles32High', ['k4'], 'subtracted', 'itself', [32]],
  ['nibbles8', ['ue4m3Half'], 'none', 'e2m1', [16]],
  ['pairs32', ['nibbles'], 'subtracted', 'itself', [16]],
  ['pairs32High', ['k3'], 'none', 'lessHalf', [16]],
  ['stream', ['f16', 'bf16', 'f32'], 'added', 'itself', [32, 64, 128]],
  ['stream', ['f16', 'bf16'], 'timesScale', 'itself', [32, 64, 128]],
  ['stream', ['e8m0', 'f32'], 'none', 'e4m3', [32, 64, 128]],
];

/** Undefined where some part of the record is not one that the kernels know. */
function packedCode(format: BlockFormat): number | undefined {
  const { blockSize, codeBits, groupSize, scale, codePlanes } = format;
  const arrangement = arrangementOf(codePlanes, codeBits);
  const minimum = minimumOf(format);
  const meaning = meaningOf(format);
  const scales = scale.levels === 1 ? scale.format : scale.subPacking;
  const kernel = KERNELS.find((each) =>
    each[0] === arrangement && each[1].includes(scales) && each[2] === minimum && each[3] === meaning && each[4].includes(groupSize));
  if (kernel === undefined || !areScalesInPlace(format) || (minimum === 'timesScale' && codeBits !== 4)) return undefined;
  const [codes, high] = codePlanes as [CodePlane, CodePlane?];
  const highOffset = high?.offset ?? 0;
  if (codes.offset > 63 || highOffset > 30 || highOffset % 2 !== 0 || blockSize > 256) return undefined;
  const fields: readonly (readonly [number, number])[] = [
    [ARRANGEMENTS[kernel[0]], 0], [Math.log2(blockSize) - 4, 4], [codeBits - 1, 7], [SCALES[scales] as number, 10],
    [MINIMUMS[kernel[2]], 14], [MEANINGS[kernel[3]], 16], [Math.log2(groupSize) - 4, 19], [codes.offset, 21], [highOffset / 2, 27],
  ];
  return fields.reduce((code, [value, shift]) => code | (value << shift), 0);
}

function minimumOf({ minimum }: BlockFormat): Minimum | undefined {
  if (minimum === undefined) return 'none';
  if (minimum.timesScale) return minimum.sign === -1 ? 'timesScale' : undefined;
  return minimum.sign === 1 ? 'added' : 'subtracted';
}

function arrangementOf(planes: readonly CodePlane[], codeBits: number): Arrangement | undefined {
  const shown = planes.map(({ bits, run, codeShift }) => `${bits} ${bits === 8 ? 'stream' : run} ${codeShift}`).join(', ');
  switch (shown) {
    case '4 16 0': return 'nibbles16';
    case '4 16 0, 1 stream 4': return 'nibbles16High';
    case '4 32 0, 1 32 4': return 'nibbles32High';
    case '4 8 0': return 'nibbles8';
    case '2 32 0': return 'pairs32';
    case '2 32 0, 1 32 2': return 'pairs32High';
    case `${codeBits} stream 0`: return 'stream';
    default: return undefined;
  }
}

function meaningOf({ code, codeBits }: BlockFormat): Meaning | undefined {
  const isTable = (values: readonly number[], table: readonly number[]) =>
    values.length === table.length && values.every((value, i) => Object.is(value, table[i]));
  switch (code.kind) {
    case 'offset': return code.zeroPoint === 0 ? 'itself' : code.zeroPoint === 2 ** (codeBits - 1) ? 'lessHalf' : undefined;
    case 'integers': return isTable(code.values, IQ4_VALUES) ? 'iq4' : isTable(code.values, E2M1_DOUBLED) ? 'e2m1' : undefined;
    case 'floats': return isTable(code.values, E4M3_VALUES) ? 'e4m3' : undefined;
    default: return undefined;
  }
}

/** Whether scales, minimums and codes lie where the kernels look for them, with nothing between them. */
function areScalesInPlace({ scale, minimum, codePlanes, blockSize, blockBytes, codeBits, groupsPerBlock }: BlockFormat): boolean {
  const codeBytes = (blockSize * codeBits) / 8;
  if (scale.levels === 1) {
    const size = SCALE_BYTES[scale.format];
    const isMinimumInPlace = minimum === undefined
      || (isFloatAt(minimum.value, size) && minimum.value.format === scale.format && groupsPerBlock === 1);
    const scaleBytes = size * groupsPerBlock * (minimum === undefined ? 1 : 2);
    const first = Math.min(...codePlanes.map(({ offset }) => offset));
    return scale.offset === 0 && isMinimumInPlace && first === scaleBytes && blockBytes === scaleBytes + codeBytes;
  }
  const [d, integers, dmin] = SUPER_BLOCKS[scale.subPacking] ?? [];
  const value = minimum?.value;
  const isMinimumInPlace = value === undefined ? dmin === undefined
    : value.levels === 2 && value.subPacking === scale.subPacking && value.offset === dmin && value.subOffset === integers;
  return scale.offset === d && scale.subOffset === integers && isMinimumInPlace && blockSize === 256;
}

function isFloatAt(scale: GroupScale, offset: number): boolean {
  return scale.levels === 1 && scale.offset === offset;
}
