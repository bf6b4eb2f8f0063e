/**
 * Weights of all experts, of which each lane of a summed product may want another, so another part: which one is chosen as it reads. Rows
 * count over all parts.
 */
import type { LinearShape } from '../linear-shape.ts';
import { packedFormatOf } from '../packed-layout.ts';
import { minimumType } from './weight-scales.ts';

/** The number of the functions that read any part: the only part's own, or those of {@link summedFunctions}. */
export function summedPart({ parts }: Pick<LinearShape, 'parts'>): number {
  return parts.length === 1 ? 0 : parts.length;
}

/** `fn {name}{n}(row, at)` of the type, where there are several parts: the part's own, which `read` is an expression of. */
export function ofAnyPart(
  { parts }: Pick<LinearShape, 'parts'>, { name, type }: { readonly name: string; readonly type: string },
  read: (n: number, row: string) => string = (n, row) => `${name}${n}(${row}, at)`,
): string {
  let before = 0;
  const branches = parts.map(({ rows }, n) => {
    const value = `return ${read(n, before === 0 ? 'row' : `row - ${before}u`)};`;
    before += rows;
    return n === parts.length - 1 ? value : `if (row < ${before}u) { ${value} }`;
  });
  return `fn ${name}${parts.length}(row: u32, at: u32) -> ${type} {\n  ${branches.join('\n  ')}\n}`;
}

/** What `name` is of blocks, beside `scales` and, where there are minimums, `minimum`; '' where one part has its own. */
export function summedFunctions(shape: LinearShape, { name, type }: { readonly name: string; readonly type: string }): string {
  const { parts, experts } = shape;
  if (!experts?.summed || parts.length === 1) return '';
  const format = packedFormatOf(parts[0]!.type);
  const minimum = format.kind === 'blocks' ? minimumType(format) : undefined;
  const functions = [{ name, type }, { name: 'scales', type: 'vec2<f32>' }, ...(minimum ? [{ name: 'minimum', type: minimum }] : [])];
  return functions.map((each) => ofAnyPart(shape, each)).join('\n');
}
