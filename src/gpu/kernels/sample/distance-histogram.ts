/**
 * How many tokens there are at which distance from the best, and what they weigh together: `bins` of draw-weight.ts, summed over all
 * workgroups. Does nothing where neither top-k nor top-p is on.
 */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel } from '../../kernel.ts';
import { BIN_WORDS, DISTANCE_BINS, SETTINGS_BINDING } from '../../sampling/sampling-record.ts';
import { chunkLoop, componentsOf, ROWS_BINDING, scoresBinding, scoresOf, vocabularyShape } from '../../sampling/sampler-variant.ts';
import type { SamplerVariant } from '../../sampling/sampler-variant.ts';
import { atomicAddWide } from '../../wgsl/wide-integer.ts';
import { partialsBinding } from '../argmax/argmax.ts';
import { largestKeyFunction, NOTHING, weighingHeader } from './draw-weight.ts';

const count = (array: string, bin: string) => `${array}[${bin}]`;
const low = (array: string, bin: string) => `${array}[${bin} + ${DISTANCE_BINS}u]`;
const high = (array: string, bin: string) => `${array}[${bin} + ${2 * DISTANCE_BINS}u]`;

/** Bindings: `logits` or `scores`, `partials`, `settings`, `bins` [rows][bins] (cleared by the first stage), `rows`. */
export function distanceHistogramKernel(variant: SamplerVariant): Kernel {
  const shape = vocabularyShape(variant);
  const { invocations, workgroups } = variant;
  const scores = scoresBinding(variant);
  const bindings: readonly Binding[] = [
    scores,
    partialsBinding('read'),
    SETTINGS_BINDING,
    { name: 'bins', access: 'write', type: 'array<atomic<u32>>' },
    ROWS_BINDING,
  ];
  const body = [
    `let bits = ${scores.name}[firstElement + at];`,
    ...componentsOf(shape, 'bits').map((part) => `place(distanceOf(${part}, largest));`),
  ];
  const ownWeight = `vec2<u32>(atomicLoad(&${low('own', 'bin')}), atomicLoad(&${high('own', 'bin')}))`;
  const wgsl = `${weighingHeader(bindings)}${largestKeyFunction(workgroups)}
var<workgroup> own: array<atomic<u32>, ${BIN_WORDS}>;
fn place(distance: u32) {
  if (distance == ${NOTHING}) { return; }
  let bin = binOf(distance);
  atomicAdd(&${count('own', 'bin')}, 1u);
  ${atomicAddWide(low('own', 'bin'), high('own', 'bin'), 'weightOf(distance)')}
}
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.y;
  let choice = settings[rows[row].y];
  if (choice.topK == 0u && choice.topP == 0u) { return; }
  sampling = choice;
  let firstElement = ${scoresOf(variant, 'row', shape.elements)};
  let firstBin = row * ${BIN_WORDS}u;
  for (var turn = 0u; turn < ${BIN_WORDS / invocations}u; turn++) { atomicStore(&own[turn * ${invocations}u + lane], 0u); }
  let largest = logitOfKey(largestKey(row, lane));
${chunkLoop(shape, invocations, body.map((line) => `      ${line}`).join('\n'))}
  workgroupBarrier();
  for (var turn = 0u; turn < ${DISTANCE_BINS / invocations}u; turn++) {
    let bin = turn * ${invocations}u + lane;
    let tokens = atomicLoad(&${count('own', 'bin')});
    if (tokens > 0u) {
      atomicAdd(&${count('bins', 'firstBin + bin')}, tokens);
      ${atomicAddWide(low('bins', 'firstBin + bin'), high('bins', 'firstBin + bin'), ownWeight)}
    }
  }
}
`;
  return {
    key: kernelKey('distance-histogram', variant),
    label: `distance-histogram [${variant.vocab}]`,
    wgsl, bindings,
    workgroupSize: invocations,
    needs: {},
  };
}
