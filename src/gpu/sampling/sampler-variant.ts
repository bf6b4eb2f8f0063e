/**
 * What the sampler's kernels are generated from, and how they cut the vocabulary. A dispatch chooses a token for each of its rows, which
 * are of sequences with settings of their own: y of a workgroup is the row.
 */
import { isPowerOfTwo } from '../kernel.ts';
import type { Binding } from '../kernel.ts';

export interface SamplerVariant {
  readonly vocab: number;
  /** `greedy`: the likeliest token. `full`: temperature, cuts and a draw. */
  readonly mode: 'greedy' | 'full';
  /** Penalties are applied, and occurrences counted. */
  readonly penalties: boolean;
  /** Of every workgroup: a power of two from 64 to 1024. */
  readonly invocations: number;
  /** Of the kernels that go over the vocabulary; at most `invocations`. */
  readonly workgroups: number;
  /** Tokens that the ring of a sequence holds: a power of two. */
  readonly ringSize: number;
}

/** Workgroups so that each of their invocations reads one vec4, as far as one last workgroup can gather what they found. */
export function samplerWorkgroups(vocab: number, invocations: number): number {
  return Math.max(1, Math.min(invocations, Math.ceil(vocab / 4 / invocations)));
}

/** Throws Error where a variant breaks what its fields say: a fault of the caller, not of a user. */
export function checkSamplerVariant({ vocab, invocations, workgroups, ringSize }: SamplerVariant): void {
  const sound = vocab > 0 && vocab <= MOST_VOCAB && isPowerOfTwo(invocations) && invocations >= 64 && invocations <= 1024
    && workgroups > 0 && workgroups <= invocations && isPowerOfTwo(ringSize);
  if (!sound)
    throw new Error(`sampler: no kernels for vocab ${vocab}, ${invocations} invocations, ${workgroups} workgroups, ring ${ringSize}`);
}

/** So many weights of at most 1 add up to less than 64 bits (draw-weight.ts). */
const MOST_VOCAB = 2 ** 19;

export interface VocabularyShape {
  /** Logits in one element of the binding. */
  readonly lanes: 4 | 1;
  readonly element: 'vec4<u32>' | 'u32';
  /** Elements of the whole vocabulary. */
  readonly elements: number;
  /** Elements of one workgroup; the last ones may have fewer, or none. */
  readonly chunk: number;
  /** Passes over a chunk with one element an invocation. */
  readonly passes: number;
}

/** Each workgroup takes one run of ids: 16-byte loads where the vocabulary allows them. */
export function vocabularyShape({ vocab, invocations, workgroups }: SamplerVariant): VocabularyShape {
  const lanes = vocab % 4 === 0 ? 4 : 1;
  const elements = vocab / lanes;
  const chunk = Math.ceil(elements / workgroups);
  return { lanes, element: lanes === 4 ? 'vec4<u32>' : 'u32', elements, chunk, passes: Math.ceil(chunk / invocations) };
}

/** WGSL names of an element's logits: `bits.x`... or `bits`. */
export function componentsOf({ lanes }: VocabularyShape, name: string): readonly string[] {
  return lanes === 4 ? ['x', 'y', 'z', 'w'].map((part) => `${name}.${part}`) : [name];
}

/** Logits as the kernels after the first see them. They are read as words, since WGSL need not respect NaN and infinities. */
export function scoresBinding(variant: SamplerVariant, element: string = vocabularyShape(variant).element): Binding {
  return { name: variant.penalties ? 'scores' : 'logits', access: 'read', type: `array<${element}>` };
}

/** Of each row of the dispatch: its row of the logits, and the number of its sequence. */
export const ROWS_BINDING: Binding = { name: 'rows', access: 'read', type: 'array<vec2<u32>>' };

/** WGSL expression of the first element of a row's scores, of {@link scoresBinding}; `row` is a u32 expression. */
export function scoresOf({ penalties }: Pick<SamplerVariant, 'penalties'>, row: string, elements: number): string {
  return `${penalties ? row : `rows[${row}].x`} * ${elements}u`;
}

/** The loop of one workgroup over its chunk: `body` sees the element's index `at`. */
export function chunkLoop({ elements, chunk, passes }: VocabularyShape, invocations: number, body: string): string {
  return `  let first = workgroup.x * ${chunk}u;
  let end = min(first + ${chunk}u, ${elements}u);
  for (var turn = 0u; turn < ${passes}u; turn++) {
    let at = first + turn * ${invocations}u + lane;
    if (at < end) {
${body}
    }
  }`;
}
