/**
 * How many tokens there are at which distance from the best, and what they weigh together: `bins` of draw-weight.ts, summed over all
 * workgroups. Does nothing where neither top-k nor top-p is on.
 */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel } from '../../kernel.ts';
import { BIN_WORDS, DISTANCE_BINS, SAMPLING_BINDING } from '../../sampling/sampling-record.ts';
import { chunkLoop, componentsOf, scoresBinding, vocabularyShape } from '../../sampling/sampler-variant.ts';
import type { SamplerVariant } from '../../sampling/sampler-variant.ts';
import { atomicAddWide } from '../../wgsl/wide-integer.ts';
import { partialsBinding } from '../argmax/argmax.ts';
import { largestKeyFunction, NOTHING, weighingHeader } from './draw-weight.ts';

const count = (array: string, bin: string) => `${array}[${bin}]`;
const low = (array: string, bin: string) => `${array}[${bin} + ${DISTANCE_BINS}u]`;
const high = (array: string, bin: string) => `${array}[${bin} + ${2 * DISTANCE_BINS}u]`;

/** Bindings: `logits` or `scores`, `partials`, `sampling`, `bins` (cleared by the first stage). */
export function distanceHistogramKernel(variant: SamplerVariant): Kernel {
  const shape = vocabularyShape(variant);
  const { invocations, workgroups } = variant;
  const scores = scoresBinding(variant);
  const bindings: readonly Binding[] = [
    scores,
    partialsBinding('read'),
    SAMPLING_BINDING,
    { name: 'bins', access: 'write', type: 'array<atomic<u32>>' },
  ];
  const body = [`let bits = ${scores.name}[at];`, ...componentsOf(shape, 'bits').map((part) => `place(distanceOf(${part}, largest));`)];
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
  if (sampling.topK == 0u && sampling.topP == 0u) { return; }
  for (var turn = 0u; turn < ${BIN_WORDS / invocations}u; turn++) { atomicStore(&own[turn * ${invocations}u + lane], 0u); }
  let largest = logitOfKey(largestKey(lane));
${chunkLoop(shape, invocations, body.map((line) => `      ${line}`).join('\n'))}
  workgroupBarrier();
  for (var turn = 0u; turn < ${DISTANCE_BINS / invocations}u; turn++) {
    let bin = turn * ${invocations}u + lane;
    let tokens = atomicLoad(&${count('own', 'bin')});
    if (tokens > 0u) {
      atomicAdd(&${count('bins', 'bin')}, tokens);
      ${atomicAddWide(low('bins', 'bin'), high('bins', 'bin'), ownWeight)}
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
