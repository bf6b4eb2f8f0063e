/** WGSL that reads x: quads of it for kernels of any width, and pieces of a group of 32 as one lane holds them for all of its rows. */
import { packedFormatOf, rowStride } from '../../packed-layout.ts';
import { range } from '../../wgsl/expressions.ts';
import { firstQuad, pieceQuads } from './group-quads.ts';
import type { PartContext } from './part-context.ts';
import type { LinearShape } from '../../linear-shape.ts';

/** True where x and the gain can be bound as vectors. */
export function hasVectorX({ cols }: LinearShape): boolean {
  return cols % 4 === 0;
}

/** True where lanes read whole units that reach past the end of a row of x. */
function readsPastEnd({ parts, cols }: LinearShape): boolean {
  return parts.some(({ type }) => rowStride(packedFormatOf(type), cols) > Math.ceil(cols / 4) * 4);
}

/** `fn {buffer}Quad(column, quad)`: elements 4 quad .. 4 quad + 3 of a row of x, or of the gain (column 0), zeros past the end. */
function quadFunction(buffer: string, shape: LinearShape): string {
  const { cols } = shape;
  const head = `fn ${buffer}Quad(column: u32, quad: u32) -> vec4<f32> {`;
  if (hasVectorX(shape)) {
    const quads = cols / 4;
    if (!readsPastEnd(shape)) return `${head} return ${buffer}[column * ${quads}u + quad]; }`;
    return `${head} return select(vec4<f32>(0.0), ${buffer}[column * ${quads}u + min(quad, ${quads - 1}u)], quad < ${quads}u); }`;
  }
  return `${head}
  let element = vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u);
  let at = min(element, vec4<u32>(${cols - 1}u)) + vec4<u32>(column * ${cols}u);
  return select(vec4<f32>(0.0), vec4<f32>(${[...'xyzw'].map((i) => `${buffer}[at.${i}]`).join(', ')}), element < vec4<u32>(${cols}u));
}`;
}

/** `xQuad` and, for a norm, `gainQuad`. */
export function quadFunctions(shape: LinearShape): string {
  return [quadFunction('x', shape), ...(shape.norm ? [quadFunction('gain', shape)] : [])].join('\n');
}

/** Sum of the components. */
export const SUM_FUNCTION = 'fn componentSum(v: vec4<f32>) -> f32 { return (v.x + v.y) + (v.z + v.w); }';

/** A piece of x, multiplied by what the codes' form asks for; its sums by halves of the group, and the sum of squares before the gain. */
export function activationsStruct({ halfX, lanesPerGroup }: Pick<PartContext, 'halfX' | 'lanesPerGroup'>): string {
  const quads = range(8 / lanesPerGroup).map((q) => `q${q}: vec4<${halfX ? 'f16' : 'f32'}>`);
  return `struct Activations { ${quads.join(', ')}, sums: vec2<f32>, squares: f32 }`;
}

/** `fn activations{n}(group, part) -> Activations`; no `part` where a lane has the whole group, and `x`, a vector's number, for several. */
export function activationsFunction(context: PartContext): string {
  const { n, shape, form, field, halfX, lanesPerGroup } = context;
  const quads = pieceQuads(context);
  const vector = shape.experts?.each ? 'x' : '0u';
  const read = quads.map(({ at }, q) => `let r${q} = xQuad(${vector}, first + ${at}u);`);
  const gained = quads.map(({ at }, q) => {
    const value = shape.norm ? `r${q} * gainQuad(0u, first + ${at}u)` : `r${q}`;
    // Sums are of the rounded values, as their offsets are in the products of rounded values.
    return halfX
      ? `let h${q} = vec4<f16>(clamp(${value}, vec4<f32>(-65504.0), vec4<f32>(65504.0)));\n  let g${q} = vec4<f32>(h${q});`
      : `let g${q} = ${value};`;
  });
  const sum = (wanted: 0 | 1) =>
    quads.flatMap(({ half }, q) => (half === wanted ? [`g${q}`] : [])).reduce((text, g) => (text === '' ? g : `${text} + ${g}`), '');
  const squares = shape.norm ? quads.slice(1).reduce((text, _, q) => `fma(r${q + 1}, r${q + 1}, ${text})`, 'r0 * r0') : '';
  const scaled = quads.map(({ position }, q) => {
    const factors = form.prescale({ ...field, position });
    const value = halfX ? `h${q}` : `g${q}`;
    return factors.every((factor) => factor === 1) ? value : `${value} * vec4<${halfX ? 'f16' : 'f32'}>(${factors.join(', ')})`;
  });
  const sums = [sum(0), sum(1)].map((text) => (text === '' ? '0.0' : `componentSum(${text})`));
  return `fn activations${n}(group: u32${lanesPerGroup === 2 ? ', part: u32' : ''}${shape.experts?.each ? ', x: u32' : ''}) -> Activations {
  let first = ${firstQuad(context)};
  ${[...read, ...gained].join('\n  ')}
  return Activations(${scaled.join(', ')}, vec2<f32>(${sums.join(', ')}), ${squares === '' ? '0.0' : `componentSum(${squares})`});
}`;
}
