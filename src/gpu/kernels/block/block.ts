/**
 * Half a layer of a small transformer for a row, in one dispatch: x = the sum of some vectors; its RMS norm; a product; attention over few
 * positions, or a gated unit; a product, whose result is added to x. Each of few workgroups makes x, and goes on with its own heads, or its
 * own hidden values, to the end: what it writes is one of the vectors whose sum is the x of the next block. Nothing waits for another
 * workgroup, where four dispatches would wait for each other twice as long as they work. A head behind the last block is the first
 * product alone. For matrices of up to some millions of weights: the more workgroups, the more vectors to be added up by each.
 * Bindings: `parts`, f32 [rows][parts][width]; `gains` of the norm, then of q's heads and of k's; `p0_*`, `p1_*`; of attention `rope`,
 * `positions`, `rowSequence`, `pageTable`, `kv`; out `y`, f32 [rows][workgroups][width], or [rows][rows of the first product].
 */
import { headsText, kvText } from '../../attention-shape.ts';
import { kernelHeader, kernelKey, withTextOf } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { partBindings } from '../../linear-shape.ts';
import { activationFunction, gateExpression } from '../../wgsl/activation.ts';
import { laneLoop } from '../../wgsl/row-sum.ts';
import { attentionBindings, attentionText } from './block-attention.ts';
import { inputText, roundedValues, roundingLoop } from './block-input.ts';
import { colsOf, partsOf, productFunctions, secondText } from './block-products.ts';
import { checkVariant, geometryOf } from './block-variant.ts';
import type { BlockVariant } from './block-variant.ts';

export type { BlockVariant } from './block-variant.ts';

function bindingsOf(variant: BlockVariant): readonly Binding[] {
  const { middle } = variant;
  return [
    { name: 'parts', access: 'read', type: 'array<vec4<f32>>' },
    { name: 'gains', access: 'read', type: 'array<vec4<f32>>' },
    ...partsOf(variant).flatMap((part, n) => partBindings(part, n, colsOf(variant, n))),
    ...(middle.kind === 'attention' ? attentionBindings(middle) : []),
    { name: 'y', access: 'write', type: 'array<f32>' },
  ];
}

function labelOf({ middle, first, width, parts }: BlockVariant): string {
  const of = ` of ${parts}`;
  if (middle.kind === 'none') return `block ${first.type} [${first.rows}, ${width}]${of}`;
  const what = middle.kind === 'gated' ? `${middle.fn} [${first.rows / 2}]` : `${kvText(middle.shape)} [${headsText(middle.shape)}]`;
  return `block ${first.type} [${width}] ${what}${of}`;
}

export function blockKernel(variant: BlockVariant): Kernel {
  checkVariant(variant);
  const bindings = bindingsOf(variant);
  const kernel = {
    key: kernelKey('block', variant), label: labelOf(variant), bindings, workgroupSize: variant.invocations, needs: {},
  };
  return withTextOf(kernel, () => `${kernelHeader(bindings, {})}${textOf(variant)}`);
}

/** A row of the grid for each row of x. */
export function blockWorkgroups(variant: BlockVariant, rows: number): Workgroups {
  return [geometryOf(variant).workgroups, rows, 1];
}

function textOf(variant: BlockVariant): string {
  const { middle, width, invocations } = variant;
  const { pieces, rowQuads } = geometryOf(variant);
  return [
    `var<workgroup> pieces: array<vec4<f32>, ${pieces}>;`,
    `var<workgroup> made: array<vec4<f32>, ${rowQuads}>;`,
    inputText(variant),
    middle.kind === 'none' ? '' : midMemory(variant),
    productFunctions(variant),
    middle.kind === 'attention' ? attentionText({ middle, width, invocations }) : '',
    middle.kind === 'gated' ? `${activationFunction(middle.fn, 'vec4<f32>')}\n${gateFunction(variant)}` : '',
    mainText(variant),
  ].filter((text) => text !== '').join('\n');
}

function midMemory(variant: BlockVariant): string {
  const { values } = geometryOf(variant);
  const rounded = variant.activations === 'int8' ? roundedValues('mid', values) : '';
  return `var<workgroup> mid: array<vec4<f32>, ${values / 4}>;\n${rounded}`;
}

/** Quads of 16 rows of gate, then of up. */
function gateFunction(variant: BlockVariant): string {
  const { middle, invocations } = variant;
  if (middle.kind !== 'gated') throw new Error('block: no gate');
  return `fn gate(lane: u32) {
${laneLoop(middle.values / 4, invocations, `    let at = k / 4u * 8u + k % 4u;
    mid[k] = ${gateExpression(middle.fn, undefined, ['made[at]', 'made[at + 4u]'])};`)}
  workgroupBarrier();
}`;
}

function mainText(variant: BlockVariant): string {
  const { middle, activations, invocations, first } = variant;
  const second = variant.second && secondText(variant);
  const isAttention = middle.kind === 'attention';
  const place = isAttention ? `  let position = positions[row];
  let sequence = rowSequence[row];
  let kvHead = own / ${middle.shape.heads / middle.shape.kvHeads / middle.queryHeads}u;
  fetchSeen(sequence, kvHead, position, lane);` : '';
  const between = isAttention ? '  attend(sequence, kvHead, own, position, lane);' : middle.kind === 'gated' ? '  gate(lane);' : '';
  const rounding = second && activations === 'int8'
    ? `${roundingLoop('mid', { width: geometryOf(variant).values, invocations, quad: (at) => `mid[${at}]` })}\n  workgroupBarrier();` : '';
  const results = middle.kind === 'none' ? laneLoop(middle.rows, invocations, `    let result = own * ${middle.rows}u + k;
    if (result < ${first.rows}u) { y[row * ${first.rows}u + result] = made[k >> 2u][k & 3u]; }`) : second?.after;
  const lines = [
    '  let own = workgroup.x;', '  let row = workgroup.y;', place, second?.before, '  let root = makeX(row, lane);',
    '  makeFirst(own, lane, root);', between, rounding, results,
  ];
  return `@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
${lines.filter((line) => line).join('\n')}
}
`;
}
