/** How kernels of attention make scores of queries and keys: scaled, capped, masked, in units of log2, so that softmax is made of exp2. */
import type { Binding } from './kernel.ts';

export interface ScoreShape {
  /** Factor of a query's product with a key. */
  readonly scale: number;
  /** A score s becomes softcap * tanh(s / softcap). */
  readonly softcap?: number | undefined;
  /** Set where each head has a score without a value. Binding `sinks`, f32 [heads], as the model has them: neither scaled nor capped. */
  readonly sinks?: true | undefined;
  /** The query at position p is multiplied by 1 + beta * ln(1 + floor(p / length)). */
  readonly temperature?: { readonly beta: number; readonly length: number } | undefined;
  /**
   * How far the query at position p sees; undefined: as far as `causal` lets it. Causal: only the keys above p - window. Not causal: only
   * those at most floor(window / 2) from p.
   */
  readonly window?: number | undefined;
  /** False where the rows of a sequence see all of its keys. Default true. */
  readonly causal?: boolean | undefined;
}

/** Below every score, and finite; a score that must not count is lower still, so that its weight is 0 against any maximum. */
export const LOWEST_MAX = '-1e30';
export const MASKED_SCORE = '-2e30';

/**
 * WGSL factor of the query at `position`. Its product with a key is the score in units of log2 or, where scores are capped, what
 * {@link scoreText} makes a score of.
 */
export function queryScale({ scale, softcap, temperature }: ScoreShape, position: string): string {
  const factor = softcap === undefined ? scale * Math.LOG2E : (2 * scale * Math.LOG2E) / softcap;
  if (temperature === undefined) return `${factor}`;
  const { beta, length } = temperature;
  const lengths = Number.isInteger(length) ? `f32(${position} / ${length}u)` : `floor(f32(${position}) / ${length})`;
  return `(${factor} * (1.0 + ${beta} * log(1.0 + ${lengths})))`;
}

/** WGSL expression of a score, `product` being that of a query and a key. */
export function scoreText({ softcap }: ScoreShape, product: string): string {
  return softcap === undefined ? product : `capped(${product})`;
}

/** `fn capped(u)`, where scores are capped: cap * tanh(u / 2 log2(e)) in units of log2, as cap - 2 cap / (1 + 2^u). */
export function scoreFunctions({ softcap }: ScoreShape, type: 'f32' | 'vec4<f32>'): string {
  if (softcap === undefined) return '';
  const cap = softcap * Math.LOG2E;
  // The exponent is held where its power is finite: tanh is 1 long before.
  return `fn capped(u: ${type}) -> ${type} { return ${cap} - ${2 * cap} / (1.0 + exp2(min(u, ${type}(100.0)))); }\n`;
}

export function sinkBindings({ sinks }: Pick<ScoreShape, 'sinks'>): readonly Binding[] {
  return sinks ? [{ name: 'sinks', access: 'read', type: 'array<f32>' }] : [];
}

/** WGSL expression of a head's sink among the scores. */
export function sinkScore(head: string): string {
  return `sinks[${head}] * ${Math.LOG2E}`;
}

/** Positions that a query with a window sees before its own. */
function positionsBefore(window: number, causal: boolean | undefined): number {
  return causal === false ? Math.floor(window / 2) : window - 1;
}

/** The window where it is shorter than what `positions` positions let a query see. */
export function windowWithin({ window, causal }: Pick<ScoreShape, 'window' | 'causal'>, positions: number): number | undefined {
  return window !== undefined && positionsBefore(window, causal) < positions - 1 ? window : undefined;
}

/** WGSL expression of how many keys the query at `position` sees before its own. */
export function keysBefore({ window, causal }: Pick<ScoreShape, 'window' | 'causal'>, position: string): string {
  return window === undefined ? position : `min(${position}, ${positionsBefore(window, causal)}u)`;
}

/** WGSL vec4<bool>: which of four `positions` see the key at `key` (a u32 expression). `lastPosition` is the last that any of them sees. */
export function keySeen({ window, causal }: Pick<ScoreShape, 'window' | 'causal'>, key: string): string {
  if (causal === false && window === undefined) return `vec4<bool>(${key} <= lastPosition)`;
  if (causal === false) {
    const side = positionsBefore(window as number, causal);
    return (
      `(vec4<u32>(${key} + ${side}u) >= positions) & (vec4<u32>(${key}) <= positions + ${side}u) & vec4<bool>(${key} <= lastPosition)`
    );
  }
  const isPast = `vec4<u32>(${key}) <= positions`;
  return window === undefined ? isPast : `(${isPast}) & (vec4<u32>(${key} + ${window}u) > positions)`;
}

/** WGSL vec4<bool>: which of four `keys` (a name) the query at `position` (a name) sees. `lastPosition` is the last that its tile sees. */
export function keysSeen({ window, causal }: Pick<ScoreShape, 'window' | 'causal'>, keys: string, position: string): string {
  const isThere = `(${keys} <= vec4<u32>(${causal === false ? 'lastPosition' : position}))`;
  if (window === undefined) return isThere;
  const before = `(${keys} + ${positionsBefore(window, causal)}u >= vec4<u32>(${position}))`;
  if (causal !== false) return `${isThere} & ${before}`;
  return `${isThere} & ${before} & (${keys} <= vec4<u32>(${position} + ${positionsBefore(window, causal)}u))`;
}
