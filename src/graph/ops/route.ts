/** Which experts each row goes to, and how much each of them counts. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { formatShape, widthOf } from '../value.ts';
import type { Value, WeightRef } from '../value.ts';

/**
 * Top-k routing of a mixture of experts (Shazeer et al. 2017). Input: logits [rows, experts] of the router. The scores of a row are the
 * softmax of its logits over all experts, or the sigmoid of each; the `used` experts of the greatest scores (with `selectionBias` added,
 * which counts for the choice alone) are chosen, of equal ones those that come first. The weight of a chosen expert is its score, divided
 * by the sum over the chosen plus `normalise.eps` where that is given, times `scale`, times its `expertScale`. A softmax that is
 * normalised is the softmax over the chosen alone.
 *
 * Output [rows, 2 * used]: the weights of the chosen experts, greatest score first, then their numbers, which f32 holds exactly.
 */
export interface RouteOp {
  readonly kind: 'route';
  readonly used: number;
  readonly scores: 'softmax' | 'sigmoid';
  /** [experts]. */
  readonly selectionBias: WeightRef | undefined;
  readonly normalise: { readonly eps: number } | undefined;
  readonly scale: number;
  /** [experts]. */
  readonly expertScale: WeightRef | undefined;
}

/** Where they are not given: no bias, weights that are not normalised, and factors of 1. */
export type RouteFields = Pick<RouteOp, 'used' | 'scores'> & Partial<Omit<RouteOp, 'kind'>>;

export function route(g: OpSink<RouteOp>, name: string, logits: Value, fields: RouteFields): Value {
  const { used, scores, selectionBias, normalise, scale = 1, expertScale } = fields;
  return g.op(name, { kind: 'route', used, scores, selectionBias, normalise, scale, expertScale }, [logits]);
}

/** How many experts a row of routes names. */
export function usedExperts(routes: Pick<Value, 'shape'>): number {
  return widthOf(routes) / 2;
}

export const routeRules: OpRules<RouteOp> = {
  weights: ({ selectionBias, expertScale }) => [selectionBias, expertScale].filter((weight) => weight !== undefined),
  shape({ used, selectionBias, expertScale }, [logits], check) {
    const { outer, width: experts } = check.rowsOf(logits);
    if (!Number.isSafeInteger(used) || used < 1 || used > (experts as number))
      check.fail(`1 to ${experts} experts to choose`, `${used}`);
    if (selectionBias !== undefined) check.shape(`bias ${selectionBias.id}`, selectionBias.shape, [experts]);
    if (expertScale !== undefined) check.shape(`factors ${expertScale.id}`, expertScale.shape, [experts]);
    return [outer, 2 * used];
  },
  print: ({ used, scores, normalise, scale }) =>
    `used=${used} ${scores}${normalise ? ` normalise eps=${normalise.eps}` : ''}${scale === 1 ? '' : ` scale=${scale}`}`,
};

/** @throws Error where `routes` is not what a route op makes of rows like those of `x` */
export function checkRoutes(x: Value | undefined, routes: Value | undefined, check: Parameters<OpRules<RouteOp>['shape']>[2]): number {
  const { outer } = check.rowsOf(x);
  const { outer: routed, width } = check.rowsOf(routes);
  if (routed !== outer || (width as number) % 2 !== 0)
    check.fail(`routes of shape [${outer}, 2 * used]`, formatShape((routes as Value).shape));
  return (width as number) / 2;
}
