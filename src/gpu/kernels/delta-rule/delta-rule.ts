/**
 * The gated delta rule (graph/ops/delta-rule.ts), alone or with what reads it: the norm of each head and its gate. A workgroup takes one
 * head of one sequence, holds its state in registers and goes through the rows one after another.
 *
 * A line S[value, :] lies over a few lanes. A row reads the old line s once for both products and then replaces it, with d the decay and
 * 1/|k|, 1/|q| the factors of the norms:
 *     c = beta * (v - d * (s . k) / |k|),  y = (d * (s . q) + c * (k . q) / |k|) / |q|,  s = d * s + c / |k| * k.
 */
import { DELTA_RULE_EPS } from '../../../graph/ops/delta-rule.ts';
import { InputError } from '../../../tensor/errors.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, MAIN_ARGUMENTS, rowWorkgroups } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { inverseRoot, range, unrolled } from '../../wgsl/expressions.ts';
import type { DeltaRuleVariant } from './delta-rule-variant.ts';
import { checkFinish, finishBindings, finishFunctions, finishText } from './finish-row.ts';

/** Most lanes that share a line. */
const MOST_LANES = 8;

/** How lines lie over lanes. A unit is a vector of four values, or one value where the width allows no more. */
interface Lanes {
  readonly values: 1 | 4;
  readonly type: 'f32' | 'vec4<f32>';
  /** Lanes of a line, and units of it that each has. */
  readonly lanes: number;
  readonly units: number;
  /** Groups of lanes, and lines that each has. */
  readonly groups: number;
  readonly lines: number;
}

function lanesOf({ keyDim, valueDim, subgroupSize = MOST_LANES, invocations }: DeltaRuleVariant): Lanes {
  const values = keyDim % 4 === 0 ? 4 : 1;
  const all = keyDim / values;
  const lanes = Math.min(MOST_LANES, subgroupSize, all & -all);
  const groups = invocations / lanes;
  return { values, type: values === 4 ? 'vec4<f32>' : 'f32', lanes, units: all / lanes, groups, lines: Math.ceil(valueDim / groups) };
}

/** Statements that give every lane of a line the sums over them: `pair{l}` of (s . k, s . q), and `own` of (k . k, q . q, k . q). */
function sumsText(variant: DeltaRuleVariant, { lanes, lines }: Lanes): string {
  const names = ['own', ...range(lines).map((l) => `pair${l}`)];
  if (lanes === 1) return '';
  if (variant.subgroupSize !== undefined) {
    const step = (bit: number) => names.map((name) => `    ${name} += subgroupShuffleXor(${name}, ${1 << bit}u);`).join('\n');
    return unrolled(Math.log2(lanes), step);
  }
  const { invocations } = variant;
  const first = `lane - part + i`;
  return `    ownSums[lane] = vec4<f32>(own, 0.0);
${unrolled(lines, (l) => `    pairSums[${l * invocations}u + lane] = pair${l};`)}
    workgroupBarrier();
    own = vec3<f32>();
${unrolled(lines, (l) => `    pair${l} = vec2<f32>();`)}
    for (var i = 0u; i < ${lanes}u; i++) {
      own += ownSums[${first}].xyz;
${unrolled(lines, (l) => `      pair${l} += pairSums[${l * invocations}u + ${first}];`)}
    }
    workgroupBarrier();`;
}

function mainFunction(variant: DeltaRuleVariant): string {
  const { keyHeads, valueHeads, keyDim, valueDim, keyHeadMap, gates, invocations } = variant;
  const shape = lanesOf(variant);
  const { values, type, lanes, units, groups, lines } = shape;
  const [keyUnits, width] = [keyDim / values, 2 * keyHeads * keyDim + valueHeads * valueDim];
  const isWhole = valueDim % groups === 0;
  const keyHead = keyHeadMap === 'tiled' ? `head % ${keyHeads}u` : `head / ${valueHeads / keyHeads}u`;
  const product = (a: string, b: string) => (values === 4 ? `dot(${a}, ${b})` : `${a} * ${b}`);
  const sum = (a: (c: number) => string, b: (c: number) => string) => range(units).map((c) => product(a(c), b(c))).join(' + ');
  const [k, q] = [(c: number) => `k${c}`, (c: number) => `q${c}`];
  const gate = (name: 'a' | 'b') =>
    (gates === undefined ? `${name}[row * ${valueHeads}u + head]` : `gates[row * ${gates.of}u + ${gates[name]}u + head]`);
  const line = (l: number) => `group + ${l * groups}u`;
  const inLine = (l: number, text: string) => (isWhole ? text : `if (${line(l)} < ${valueDim}u) {\n${text}\n  }`);
  const unitAt = (slot: string, l: number, c: number) =>
    `((${slot} * ${valueHeads}u + head) * ${valueDim}u + ${line(l)}) * ${keyUnits}u + part + ${c * lanes}u`;
  return `@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let item = ${LINEAR_WORKGROUP};
  let first = item / ${valueHeads}u;
  let head = item % ${valueHeads}u;
  if (first >= arrayLength(&rowSequence)) { return; }
  let place = slots[rowSequence[first]];
  // The other rows of a sequence, and those past the rows of the step, have no work of their own.
  if (first != place.x || place.y == 0u) { return; }
  let keyHead = ${keyHead};
  let part = lane % ${lanes}u;
  let group = lane / ${lanes}u;
${unrolled(lines, (l) => unrolled(units, (c) => `  var s${l}_${c} = ${type}();`))}
${unrolled(lines, (l) => `  ${inLine(l, unrolled(units, (c) => `  s${l}_${c} = state[${unitAt('place.z', l, c)}];`))}`)}
  for (var t = 0u; t < place.y; t++) {
    let row = place.x + t;
    let at = row * ${width / values}u + part;
${unrolled(units, (c) => `    let q${c} = qkv[at + keyHead * ${keyUnits}u + ${c * lanes}u];`)}
${unrolled(units, (c) => `    let k${c} = qkv[at + (${keyHeads}u + keyHead) * ${keyUnits}u + ${c * lanes}u];`)}
    var own = vec3<f32>(${sum(k, k)}, ${sum(q, q)}, ${sum(k, q)});
${unrolled(lines, (l) => `    var pair${l} = vec2<f32>(${sum((c) => `s${l}_${c}`, k)}, ${sum((c) => `s${l}_${c}`, q)});`)}
${sumsText(variant, shape)}
    let dt = ${gate('a')} + rates[${valueHeads}u + head];
    let decay = exp(rates[head] * (max(dt, 0.0) + log(1.0 + exp(-abs(dt)))));
    let beta = 1.0 / (1.0 + exp(min(-${gate('b')}, 80.0)));
    let kFactor = ${inverseRoot(`(own.x + ${DELTA_RULE_EPS})`)};
    let qFactor = ${inverseRoot(`(own.y + ${DELTA_RULE_EPS})`)} * ${keyDim ** -0.5};
${unrolled(lines, (l) => inLine(l, `    {
      let value = ${valueText(variant, line(l))};
      let c = beta * (value - decay * pair${l}.x * kFactor);
      if (part == 0u) { lineY[${line(l)}] = (decay * pair${l}.y + c * own.z * kFactor) * qFactor; }
${unrolled(units, (u) => `      s${l}_${u} = decay * s${l}_${u} + (c * kFactor) * k${u};`)}
    }`))}
${finishText(variant)}
  }
${unrolled(lines, (l) => `  ${inLine(l, unrolled(units, (c) => `  state[${unitAt('place.w', l, c)}] = s${l}_${c};`))}`)}
}
`;
}

/** WGSL expression of v of a line. */
function valueText({ keyHeads, valueHeads, keyDim, valueDim }: DeltaRuleVariant, line: string): string {
  const width = 2 * keyHeads * keyDim + valueHeads * valueDim;
  const at = `row * ${width}u + ${2 * keyHeads * keyDim}u + head * ${valueDim}u + ${line}`;
  return `valueOf(${at})`;
}

export function deltaRuleKernel(variant: DeltaRuleVariant): Kernel {
  const { keyHeads, valueHeads, keyDim, valueDim, gates, norm, output, subgroupSize, invocations } = variant;
  const { values, type, lanes, lines } = lanesOf(variant);
  checkFinish(variant);
  const width = 2 * keyHeads * keyDim + valueHeads * valueDim;
  if (width % values !== 0) throw new InputError(`a delta rule of rows of ${width} values, which are not whole vectors`);
  const read = (name: string, of = 'f32'): Binding => ({ name, access: 'read', type: `array<${of}>` });
  const write = (name: string, of: string): Binding => ({ name, access: 'write', type: `array<${of}>` });
  const bindings: readonly Binding[] = [
    read('qkv', type), ...(gates === undefined ? [read('a'), read('b')] : [read('gates')]), read('rates'), write('state', type),
    read('rowSequence', 'u32'), read('slots', 'vec4<u32>'), ...finishBindings(variant),
  ];
  const inMemory = lanes > 1 && subgroupSize === undefined;
  const needs = { subgroupSize };
  return {
    key: kernelKey('delta-rule', variant),
    label: `delta-rule ${valueHeads} x [${valueDim}, ${keyDim}]${norm === undefined ? '' : ' normed'} ${output}`,
    wgsl: [
      kernelHeader(bindings, needs),
      finishFunctions(variant),
      inMemory ? `var<workgroup> ownSums: array<vec4<f32>, ${invocations}>;\n` : '',
      inMemory ? `var<workgroup> pairSums: array<vec2<f32>, ${invocations * lines}>;\n` : '',
      `fn valueOf(at: u32) -> f32 { return ${values === 4 ? 'qkv[at >> 2u][at & 3u]' : 'qkv[at]'}; }\n`,
      mainFunction(variant),
    ].join(''),
    bindings,
    workgroupSize: invocations,
    needs,
  };
}

export function deltaRuleWorkgroups({ valueHeads }: DeltaRuleVariant, rows: number): Workgroups {
  return rowWorkgroups(Math.max(1, rows), valueHeads);
}
