/**
 * WGSL functions that read one quad of a head of q or k as attention wants it: divided by the head's RMS norm, times the gain, turned
 * by its position (halves form: Su et al. 2021; norms of heads: Dehghani et al. 2023). Bindings: the source, `{name}Gain` unless the gain
 * is 1, `rope`.
 * - `fn {name}Factor(at: u32) -> f32`, only with a norm: 1 / rms of the head whose first quad is `at`; reads the whole head.
 * - `fn {name}Quad(at: u32, quad: u32, factor: f32, position: u32) -> vec4<f32>`; without a norm `factor` counts for nothing.
 */
import { inverseRoot } from './expressions.ts';

export interface HeadPreparation {
  /** Prefix of the functions and of the gain's binding. */
  readonly name: string;
  /** Binding array<vec4<f32>> that holds the heads. */
  readonly source: string;
  readonly headDim: number;
  readonly norm?: { readonly eps: number; readonly ungained?: true | undefined } | undefined;
  readonly rotaryDim: number;
  /** Where the gain lies, if not in a binding of its own: quads of `binding` from `first` on. */
  readonly gains?: { readonly binding: string; readonly first: number } | undefined;
}

/** WGSL expression of a quad of the gain. */
function gainQuad({ name, gains }: HeadPreparation, quad: string): string {
  return gains === undefined ? `${name}Gain[${quad}]` : `${gains.binding}[${gains.first}u + ${quad}]`;
}

export function headPreparationFunctions(head: HeadPreparation): string {
  const factor = head.norm === undefined ? '' : `${normFactor(head, head.norm.eps)}\n`;
  if (head.rotaryDim === 0) return `${factor}${plainQuad(head)}`;
  return `${factor}${head.rotaryDim % 8 === 0 ? quadOfQuads(head) : quadOfValues(head)}`;
}

/** WGSL expression of 1 / rms, given those of the sum of squares (a name) and of eps. */
export function inverseRms(squares: string, { headDim, eps }: { readonly headDim: number; readonly eps: string }): string {
  return inverseRoot(`(${squares} * ${1 / headDim} + ${eps})`);
}

function normFactor({ name, source, headDim }: HeadPreparation, eps: number): string {
  return `fn ${name}Factor(at: u32) -> f32 {
  var squares = vec4<f32>();
  for (var i = 0u; i < ${headDim / 4}u; i++) {
    let x = ${source}[at + i];
    squares += x * x;
  }
  let sum = dot(squares, vec4<f32>(1.0));
  return ${inverseRms('sum', { headDim, eps: `${eps}` })};
}`;
}

function signature(name: string): string {
  return `fn ${name}Quad(at: u32, quad: u32, factor: f32, position: u32) -> vec4<f32>`;
}

/** A quad after the norm. */
function normedQuad(head: HeadPreparation, quad: string): string {
  const { source, norm } = head;
  if (norm === undefined) return `${source}[at + ${quad}]`;
  return `${source}[at + ${quad}] * factor${norm.ungained ? '' : ` * ${gainQuad(head, quad)}`}`;
}

function plainQuad(head: HeadPreparation): string {
  return `${signature(head.name)} { return ${normedQuad(head, 'quad')}; }`;
}

/** Where half of the rotated part is whole quads, a quad turns with another quad. */
function quadOfQuads(head: HeadPreparation): string {
  const { name, headDim, rotaryDim } = head;
  const half = rotaryDim / 8;
  const passing = rotaryDim < headDim ? `\n  if (quad >= ${2 * half}u) { return own; }` : '';
  return `${signature(name)} {
  let own = ${normedQuad(head, 'quad')};${passing}
  let isSecond = quad >= ${half}u;
  let other = select(quad + ${half}u, quad - ${half}u, isSecond);
  let partner = ${normedQuad(head, 'other')};
  let angle = position * ${rotaryDim / 2}u + min(quad, other) * 4u;
  let a = rope[angle];
  let b = rope[angle + 1u];
  let c = rope[angle + 2u];
  let d = rope[angle + 3u];
  let sines = vec4<f32>(a.y, b.y, c.y, d.y);
  return own * vec4<f32>(a.x, b.x, c.x, d.x) + partner * select(-sines, sines, isSecond);
}`;
}

/** Any even rotaryDim, a value at a time. */
function quadOfValues(head: HeadPreparation): string {
  const { name, source, norm, rotaryDim } = head;
  const half = rotaryDim / 2;
  const gain = norm?.ungained ? '' : ` * ${gainQuad(head, '(i >> 2u)')}[i & 3u]`;
  const normed = norm === undefined ? '' : ` * factor${gain}`;
  return `fn ${name}Value(at: u32, i: u32, factor: f32) -> f32 { return ${source}[at + (i >> 2u)][i & 3u]${normed}; }
fn ${name}Turned(at: u32, i: u32, factor: f32, position: u32) -> f32 {
  let own = ${name}Value(at, i, factor);
  if (i >= ${rotaryDim}u) { return own; }
  let isSecond = i >= ${half}u;
  let other = select(i + ${half}u, i - ${half}u, isSecond);
  let angle = rope[position * ${half}u + min(i, other)];
  return own * angle.x + ${name}Value(at, other, factor) * select(-angle.y, angle.y, isSecond);
}
${signature(name)} {
  let i = quad * 4u;
  return vec4<f32>(${[0, 1, 2, 3].map((n) => `${name}Turned(at, i + ${n}u, factor, position)`).join(', ')});
}`;
}
