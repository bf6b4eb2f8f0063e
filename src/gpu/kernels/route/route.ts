/**
 * The experts of rows, and how much each of them counts (graph/ops/route.ts). A workgroup takes a row. Every expert counts those that come
 * before it: the ones of a greater key, and of an equal key those with smaller numbers. So many places from the first is its own.
 */
import type { RouteOp } from '../../../graph/ops/route.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { activationFunction } from '../../wgsl/activation.ts';
import { rowsExpression, rowsOf, stepBindings, stepStruct } from '../../wgsl/row-pieces.ts';
import type { RowsVariant } from '../../wgsl/row-pieces.ts';
import { laneLoop } from '../../wgsl/row-sum.ts';

/**
 * Bindings `logits`: f32 [rows, experts]; `selectionBias` and `expertScale`: f32 [experts]; `y`: f32 [rows, 2 * used], weights of the
 * chosen, then their numbers.
 */
export interface RouteVariant extends RowsVariant, Pick<RouteOp, 'used' | 'scores' | 'scale' | 'normalise'> {
  readonly experts: number;
  readonly selectionBias: boolean;
  readonly expertScale: boolean;
  /**
   * Logits are [rows, experts + 1] and y is [rows, 2 * (used + 1)]: the last column is of an expert that all rows go to, with its sigmoid
   * as weight, and `experts` as number. Absent: there is none.
   */
  readonly shared?: boolean | undefined;
  /** What logits are multiplied by first; absent: 1. */
  readonly logitScale?: number | undefined;
  /** Of a workgroup. */
  readonly invocations: number;
}

/** A logit that is far below all others of its row: its score is nothing beside theirs, and exp stays in range. */
const LEAST_EXPONENT = -80;

/** Statements that make an expert's score, and the key by which it is compared with the others where that is known with the score. */
function scoresText({ experts, scores, selectionBias, logitScale, invocations }: RouteVariant): string {
  const isSoftmax = scores === 'softmax';
  const logitAt = (e: string) => `logits[at + ${e}]${logitScale === undefined ? '' : ` * ${logitScale}`}`;
  const score = isSoftmax ? `exp(max(logit - most, ${LEAST_EXPONENT}.0))` : 'sigmoid(logit)';
  const most = `  var most = -3e38;
  for (var e = 0u; e < ${experts}u; e++) { most = max(most, ${logitAt('e')}); }
`;
  // The softmax keeps the order of the logits, which tell apart what it would round to one score.
  const key = `    keys[k] = ${isSoftmax ? 'logit' : `score${selectionBias ? ' + selectionBias[k]' : ''}`};`;
  return `${isSoftmax ? most : ''}${laneLoop(experts, invocations, `    let logit = ${logitAt('k')};
    let score = ${score};
    scored[k] = score;
${isSoftmax && selectionBias ? '' : key}`)}`;
}

/** Statements that make the keys of a softmax with a bias: those wait for the sum of all scores. */
function biasedKeysText({ experts, invocations }: RouteVariant): string {
  return `  workgroupBarrier();
  var sum = 0.0;
  for (var e = 0u; e < ${experts}u; e++) { sum += scored[e]; }
${laneLoop(experts, invocations, '    keys[k] = scored[k] / sum + selectionBias[k];')}
`;
}

/** Statements that write the weights and numbers of the chosen. */
function chosenText({ experts, used, scores, normalise, scale, expertScale, shared = false, invocations }: RouteVariant): string {
  const places = used + (shared ? 1 : 0);
  const isSoftmax = scores === 'softmax';
  const divisor = normalise === undefined
    ? (isSoftmax ? 'all' : undefined)
    : `(chosen + ${normalise.eps}${isSoftmax ? ' * all' : ''})`;
  const factors = [...(scale === 1 ? [] : [`* ${scale}`]), ...(expertScale ? ['* expertScale[e]'] : [])].join(' ');
  return `${isSoftmax ? `  var all = 0.0;
  for (var e = 0u; e < ${experts}u; e++) { all += scored[e]; }
` : ''}${normalise ? `  var chosen = 0.0;
  for (var i = 0u; i < ${used}u; i++) { chosen += scored[places[i]]; }
` : ''}${laneLoop(used, invocations, `    let e = places[k];
    y[row * ${2 * places}u + k] = scored[e]${divisor ? ` / ${divisor}` : ''}${factors === '' ? '' : ` ${factors}`};
    y[row * ${2 * places}u + ${places}u + k] = f32(e);`)}${shared ? `
  if (lane == 0u) {
    y[row * ${2 * places}u + ${used}u] = sigmoid(logits[at + ${experts}u]);
    y[row * ${2 * places}u + ${places + used}u] = ${experts}.0;
  }` : ''}`;
}

export function routeKernel(variant: RouteVariant): Kernel {
  const { experts, used, scores, selectionBias, expertScale, shared = false, invocations } = variant;
  const isSoftmax = scores === 'softmax';
  const read = (name: string): Binding => ({ name, access: 'read', type: 'array<f32>' });
  const bindings: readonly Binding[] = [
    read('logits'), ...(selectionBias ? [read('selectionBias')] : []), ...(expertScale ? [read('expertScale')] : []),
    { name: 'y', access: 'write', type: 'array<f32>' }, ...stepBindings(variant),
  ];
  return {
    key: kernelKey('route', variant),
    label: `route [${experts}] x${used} ${scores}${shared ? ' +shared' : ''}`,
    wgsl: `${kernelHeader(bindings, {})}${stepStruct(variant)}${isSoftmax && !shared ? '' : `${activationFunction('sigmoid')}\n`}
var<workgroup> keys: array<f32, ${experts}>;
var<workgroup> scored: array<f32, ${experts}>;
var<workgroup> places: array<u32, ${used}>;
@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let row = ${LINEAR_WORKGROUP};
  if (row >= ${rowsExpression(variant)}) { return; }
  let at = row * ${experts + (shared ? 1 : 0)}u;
${scoresText(variant)}
${laneLoop(used, invocations, '    places[k] = 0u;')}
${isSoftmax && selectionBias ? biasedKeysText(variant) : ''}  workgroupBarrier();
${laneLoop(experts, invocations, `    let own = keys[k];
    var place = 0u;
    for (var e = 0u; e < ${experts}u; e++) {
      let other = keys[e];
      place += select(0u, 1u, other > own || (other == own && e < k));
    }
    if (place < ${used}u) { places[place] = k; }`)}
  workgroupBarrier();
${chosenText(variant)}
}
`,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function routeWorkgroups(variant: RouteVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, rowsOf(variant, rows)));
}
