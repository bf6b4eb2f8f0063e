/** WGSL that puts the scales and minimums of a file's block into their planes. */
import { CapacityError } from '../../../tensor/errors.ts';
import { SCALE_BYTES } from '../../../tensor/formats/scale-values.ts';
import type { ScaleFormat } from '../../../tensor/formats/scale-values.ts';
import type { PackedBlocks, PackedScale } from '../../packed-layout.ts';

/** Elements of a block whose scales are stored together. */
const BLOCK_SIZES: Readonly<Partial<Record<PackedScale, readonly [blockSize: number, groupSize: number]>>> = {
  direct: [32, 32], e8m0: [32, 32], f32: [128, 128], k4: [256, 32], k3: [256, 16], xs: [256, 32], bytes: [256, 16], nibbles: [256, 16],
};

/** @throws CapacityError for scales that lie in a way that the text cannot follow */
export function checkScales({ type, layout, scale }: PackedBlocks): void {
  const { blockSize, groupSize, minimum } = layout;
  const [block, group] = BLOCK_SIZES[scale] ?? [blockSize, scale === 'pair' ? blockSize : 16];
  const refuse = (what: string) => {
    throw new CapacityError(`The GPU has no repacking for ${type}: ${what}.`);
  };
  if (blockSize !== block || groupSize !== group) refuse(`${groupSize} elements under a scale of a block of ${blockSize}`);
  if ((minimum !== undefined) !== (scale === 'pair' || scale === 'k4' || scale === 'nibbles')) refuse('minimums beside such scales');
}

/** Bits of a scale that are all ones in NaN and infinity. */
const EXPONENT: Readonly<Partial<Record<ScaleFormat, string>>> = {
  f16: '0x7c00u', bf16: '0x7f80u', f32: '0x7f800000u', e8m0: '0xffu', e8m0Half: '0xffu',
};

function isFinite(name: string, format: ScaleFormat): string {
  const bits = EXPONENT[format];
  return bits === undefined ? 'true' : `(${name} & ${bits}) != ${bits}`;
}

/** Of scales that are shared by a block: stored by the invocation of its first group. Of others each invocation stores its own. */
export function isOncePerBlock({ scale }: PackedBlocks): boolean {
  return scale !== 'ue4m3';
}

/** WGSL of a float's bits at a byte of the block. */
function bitsAt(format: ScaleFormat, offset: number): string {
  const word = `wordAt(start + ${offset}u)`;
  const bytes = SCALE_BYTES[format];
  return bytes === 4 ? word : `${word} & ${bytes === 2 ? '0xffffu' : '0xffu'}`;
}

/** Neighbouring scales in a word may come from another piece or tensor: rows need not end with a word. */
function orHalf(index: string, scale: string): string[] {
  return [`let half = ${index};`, `atomicOr(&scales[half >> 1u], ${scale} << ((half & 1u) << 4u));`];
}

function pairLines({ layout }: PackedBlocks): string[] {
  const { scale, minimum, groupSize } = layout;
  const isF32 = scale.format === 'f32';
  return [
    `let minimum = ${bitsAt(scale.format, minimum!.value.offset)};`,
    `pairs[to >> ${Math.log2(groupSize / 32)}u] = ${isF32 ? 'vec2<u32>(scale, minimum)' : 'scale | (minimum << 16u)'};`,
    `let finite = ${isFinite('scale', scale.format)} && ${isFinite('minimum', scale.format)};`,
  ];
}

/** Stores the scales of group `to`, or of the block that begins with it, and sets `finite`. */
export function storeScales(format: PackedBlocks): string {
  const { layout, scale: packing } = format;
  const { scale } = layout;
  const first = `let scale = ${bitsAt(scale.format, scale.offset)};`;
  const finite = `let finite = ${isFinite('scale', scale.format)};`;
  const subs = scale.levels === 2 ? scale.subOffset : 0;
  const subWord = (n: number) => `wordAt(start + ${subs + 4 * n}u)`;
  const words = (count: number) => [0, 1, 2, 3].slice(0, count).map(subWord).join(', ');
  const minimum = `let minimum = wordAt(start + ${layout.minimum?.value.offset ?? 0}u) & 0xffffu;`;
  const bothFinite = `let finite = ${isFinite('scale', 'f16')} && ${isFinite('minimum', 'f16')};`;
  const lines = (): readonly string[] => {
    switch (packing) {
      case 'direct':
        return [first, ...orHalf('to >> 0u', 'scale'), finite];
      case 'pair':
        return [first, ...pairLines(format)];
      case 'e8m0':
        return [first, 'atomicOr(&scales[to >> 2u], scale << ((to & 3u) << 3u));', finite];
      case 'ue4m3':
        return [
          `let scale = wordAt(start + ${scale.offset}u + (first >> 4u)) & 0xffffu;`, ...orHalf('to', 'scale'),
          'let finite = (scale & 0xffu) != 0xffu && (scale >> 8u) != 0xffu;',
        ];
      case 'f32':
        return [first, 'atomicStore(&scales[to >> 2u], scale);', finite];
      case 'k4':
        return [first, minimum, `metas[to >> 3u] = vec4<u32>(scale | (minimum << 16u), ${words(3)});`, bothFinite];
      case 'k3':
        return [first, `metas[to >> 3u] = vec4<u32>(scale, ${words(3)});`, finite];
      case 'xs':
        return [first, `metas[to >> 3u] = vec2<u32>(scale | (${subWord(0)} << 16u), wordAt(start + ${subs + 2}u));`, finite];
      case 'bytes':
        return [first, `subs[to >> 3u] = vec4<u32>(${words(4)});`, ...orHalf('to >> 3u', 'scale'), finite];
      case 'nibbles':
        return [
          first, minimum, `subs[to >> 3u] = vec4<u32>(${words(4)});`, 'pairs[to >> 3u] = scale | (minimum << 16u);', bothFinite,
        ];
      default:
        throw new Error(`no repacking for ${JSON.stringify(packing satisfies never)}`);
    }
  };
  return lines().map((line) => `    ${line}`).join('\n');
}
