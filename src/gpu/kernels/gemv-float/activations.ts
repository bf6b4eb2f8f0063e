/** WGSL that reads x: quads of it for kernels of any width, and groups of 32 as one lane holds them for all of its rows. */
import { packedFormatOf, rowStride } from '../../packed-layout.ts';
import { groupQuads } from './group-quads.ts';
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

const EIGHT = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/** 32 values of x, multiplied by what the codes' form asks for; their sums by halves, and the sum of squares before the gain. */
export function activationsStruct(type: 'f32' | 'f16'): string {
  return `struct Activations { ${EIGHT.map((q) => `q${q}: vec4<${type}>`).join(', ')}, sums: vec2<f32>, squares: f32 }`;
}

/** `fn activations{n}(group) -> Activations`. */
export function activationsFunction({ n, shape, form, field, halfX }: PartContext): string {
  const read = EIGHT.map((q) => `let r${q} = xQuad(0u, 8u * group + ${q}u);`);
  const gained = EIGHT.map((q) => {
    const value = shape.norm ? `r${q} * gainQuad(0u, 8u * group + ${q}u)` : `r${q}`;
    // Sums are of the rounded values, as their offsets are in the products of rounded values.
    return halfX ? `let h${q} = vec4<f16>(clamp(${value}, vec4<f32>(-65504.0), vec4<f32>(65504.0)));\n  let g${q} = vec4<f32>(h${q});` : `let g${q} = ${value};`;
  });
  const sum = (first: number) => `(g${first} + g${first + 1}) + (g${first + 2} + g${first + 3})`;
  const squares = shape.norm ? EIGHT.slice(1).reduce((text, q) => `fma(r${q}, r${q}, ${text})`, 'r0 * r0') : 'vec4<f32>()';
  const scaled = groupQuads(field).map(({ position }, q) => {
    const factors = form.prescale({ ...field, position });
    const value = halfX ? `h${q}` : `g${q}`;
    return factors.every((factor) => factor === 1) ? value : `${value} * vec4<${halfX ? 'f16' : 'f32'}>(${factors.join(', ')})`;
  });
  return `fn activations${n}(group: u32) -> Activations {
  ${[...read, ...gained].join('\n  ')}
  let low = ${sum(0)};
  let high = ${sum(4)};
  let squares = ${squares};
  return Activations(${scaled.join(', ')}, vec2<f32>(dot(low, vec4<f32>(1.0)), dot(high, vec4<f32>(1.0))), dot(squares, vec4<f32>(1.0)));
}`;
}
