/**
 * Sizes of a product on matrix units as its text has them: constants, or, where x lies ready as halves and the result is left as it is,
 * words of a uniform, so that the products of a layer are one text. Several push each other out of the cores' instruction caches, which
 * cost a chunk of 512 rows of Llama-3.2-3B a twentieth of its time. Tiles that unpack x for themselves became up to 15% slower by such
 * words (docs/experiments.md), and stay with constants.
 */
import type { Binding } from '../../kernel.ts';
import { totalRows } from '../../linear-shape.ts';
import { isInParts } from './matrix-geometry.ts';
import type { MatrixGemmVariant, MatrixGeometry } from './matrix-geometry.ts';

const MEMBERS = ['units', 'steps', 'turns', 'splits', 'rows'] as const;

/** WGSL of each: units of a row, steps and turns of a workgroup, workgroups that share a depth, rows of W. */
export type MatrixSizes = Readonly<Record<(typeof MEMBERS)[number], string>>;

export const SIZES_STRUCT = `struct MatrixSizes { ${MEMBERS.map((name) => `${name}: u32`).join(', ')} }`;
export const SIZES_BINDING: Binding = { name: 'sizes', access: 'uniform', type: 'MatrixSizes' };

/** Whether sizes come from the uniform. */
export function areSizesBound({ shape, areHalvesReady }: MatrixGemmVariant): boolean {
  const { parts, gated, residual, activation, outputs } = shape;
  return areHalvesReady && parts.length === 1 && !gated && !residual && !activation && !outputs.q8;
}

/** Words of the uniform; undefined where there is none. */
export function wordsOf(variant: MatrixGemmVariant, geometry: MatrixGeometry): readonly number[] | undefined {
  return areSizesBound(variant) ? MEMBERS.map((name) => numbersOf(variant, geometry)[name]) : undefined;
}

export function sizesOf(variant: MatrixGemmVariant, geometry: MatrixGeometry): MatrixSizes {
  const numbers = numbersOf(variant, geometry);
  const text = (name: (typeof MEMBERS)[number]) => (areSizesBound(variant) ? `sizes.${name}` : `${numbers[name]}u`);
  return Object.fromEntries(MEMBERS.map((name) => [name, text(name)])) as MatrixSizes;
}

const numbersOf = ({ shape, splits }: MatrixGemmVariant, { units, steps, burstsEach }: MatrixGeometry) =>
  ({ units, steps, splits, turns: burstsEach, rows: totalRows(shape) });

/** What the text depends on: the variant, without what the uniform says. */
export function textVariant(variant: MatrixGemmVariant, { isEven }: MatrixGeometry): object {
  if (!areSizesBound(variant)) return variant;
  const { shape: { bias, parts }, splits: _, leavesSums: __, ...rest } = variant;
  return { ...rest, isEven, isInParts: isInParts(variant), shape: { bias, parts: parts.map(({ type }) => type) } };
}
