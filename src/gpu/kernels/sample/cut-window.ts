/**
 * Finds in the histogram the bins in which the cuts of top-k and top-p lie, lists the tokens of those bins, and adds up what each
 * workgroup's tokens of all better bins weigh. So the kernel after it sees only the few tokens about which a cut has to decide.
 *
 * Top-p is a share of what top-k leaves, which is exactly known only after top-k's cut within its bin: top-p's window reaches
 * from the bin for the least that can be left to the bin for the most.
 */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel } from '../../kernel.ts';
import { BIN_WORDS, DISTANCE_BINS, SETTINGS_BINDING } from '../../sampling/sampling-record.ts';
import { chunkLoop, componentsOf, ROWS_BINDING, scoresBinding, scoresOf, vocabularyShape } from '../../sampling/sampler-variant.ts';
import type { SamplerVariant } from '../../sampling/sampler-variant.ts';
import { atomicAddWide } from '../../wgsl/wide-integer.ts';
import { partialsBinding } from '../argmax/argmax.ts';
import { largestKeyFunction, NOTHING, weighingHeader } from './draw-weight.ts';
import { prefixSum } from './prefix-sum.ts';
import { windowStruct, WINDOW_TOKENS } from './window.ts';

const PER_LANE = (invocations: number): number => DISTANCE_BINS / invocations;

/** Runs over the invocation's own bins: `bin`, `run` (sum before it) and `next` (sum with it). */
function overBins(invocations: number, body: string): string {
  return `  run = before;
  for (var i = 0u; i < ${PER_LANE(invocations)}u; i++) {
    let bin = lane * ${PER_LANE(invocations)}u + i;
    let next = addCounted(run, own[i]);
${body}
    run = next;
  }`;
}

/** `findCuts(lane)` sets the bins of `cut` that there are, and what lies before them. */
function findCuts(invocations: number): string {
  return `var<workgroup> cut: Cut;
var<workgroup> kThrough: vec2<u32>;
fn findCuts(row: u32, lane: u32) {
  let first = row * ${BIN_WORDS}u;
  var own: array<vec3<u32>, ${PER_LANE(invocations)}>;
  var run = vec3<u32>(0u);
  for (var i = 0u; i < ${PER_LANE(invocations)}u; i++) {
    let bin = lane * ${PER_LANE(invocations)}u + i;
    own[i] = vec3<u32>(bins[first + bin], bins[first + bin + ${DISTANCE_BINS}u], bins[first + bin + ${2 * DISTANCE_BINS}u]);
    run = addCounted(run, own[i]);
  }
  let before = sumBefore(lane, run);
  let total = wholeSum().yz;
  let k = sampling.topK;
${overBins(invocations, `    if (run.x < k && k <= next.x) {
      cut.kBin = bin;
      cut.kLeft = k - run.x;
      cut.kBefore = run.yz;
      kThrough = next.yz;
    }`)}
  workgroupBarrier();
  let limited = cut.kBin != ${NOTHING};
  let least = shareOf(sampling, select(total, cut.kBefore, limited));
  let most = shareOf(sampling, select(total, kThrough, limited));
${overBins(invocations, `    if (lessWide(run.yz, least) && !lessWide(next.yz, least)) {
      cut.pFirst = select(bin, ${NOTHING}, sampling.topP == 0u);
      cut.pBefore = run.yz;
    }
    if (lessWide(run.yz, most) && !lessWide(next.yz, most)) { cut.pLast = bin; }`)}
  if (lane == 0u) { cut.total = total; }
  workgroupBarrier();
}
`;
}

/** The weight that top-p wants of a total; at least the smallest there is, so that one token stays. */
export const SHARE = `fn shareOf(sampling: Sampling, total: vec2<u32>) -> vec2<u32> {
  let share = fractionOf(total, sampling.topP);
  return select(share, vec2<u32>(1u, 0u), share.x == 0u && share.y == 0u);
}
`;

function mainText(variant: SamplerVariant, scores: string): string {
  const shape = vocabularyShape(variant);
  const body = [
    `let bits = ${scores}[firstElement + at];`,
    ...componentsOf(shape, 'bits').map((part, i) => `place(row, distanceOf(${part}, largest), at * ${shape.lanes}u + ${i}u);`),
  ];
  return `var<workgroup> weightLow: atomic<u32>;
var<workgroup> weightHigh: atomic<u32>;
fn place(row: u32, distance: u32, id: u32) {
  if (distance == ${NOTHING}) { return; }
  let bin = binOf(distance);
  if (bin < cut.solid && bitcast<f32>(distance) <= sampling.minPReach) ${atomicAddWide('weightLow', 'weightHigh', 'weightOf(distance)')}
  if (bin == cut.kBin || (bin >= cut.pFirst && bin <= cut.pLast)) {
    if (atomicLoad(&windows[row].listed) > ${WINDOW_TOKENS}u) { return; }
    let entry = atomicAdd(&windows[row].listed, 1u);
    if (entry < ${WINDOW_TOKENS}u) { windows[row].tokens[entry] = vec2<u32>(distance, id); }
  }
}
@compute @workgroup_size(${variant.invocations})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.y;
  let own = settings[rows[row].y];
  sampling = own;
  let firstElement = ${scoresOf(variant, 'row', shape.elements)};
  let key = largestKey(row, lane);
  let largest = logitOfKey(key);
  if (lane == 0u) {
    atomicStore(&weightLow, 0u);
    atomicStore(&weightHigh, 0u);
    cut.largestKey = key;
    cut.kBin = ${NOTHING};
    cut.pFirst = ${NOTHING};
    cut.pLast = ${NOTHING};
  }
  if (own.topK != 0u || own.topP != 0u) { findCuts(row, lane); }
  if (lane == 0u) {
    cut.solid = min(cut.kBin, cut.pFirst);
    if (workgroup.x == 0u) { windows[row].cut = cut; }
  }
  workgroupBarrier();
${chunkLoop(shape, variant.invocations, body.map((line) => `      ${line}`).join('\n'))}
  workgroupBarrier();
  if (lane == 0u) { windows[row].sums[workgroup.x] = vec2<u32>(atomicLoad(&weightLow), atomicLoad(&weightHigh)); }
}
`;
}

/** Bindings: `logits` or `scores`, `partials`, `settings`, `bins`, `windows`, `rows`. */
export function cutWindowKernel(variant: SamplerVariant): Kernel {
  const scores = scoresBinding(variant);
  const bindings: readonly Binding[] = [
    scores, partialsBinding('read'), SETTINGS_BINDING,
    { name: 'bins', access: 'read', type: 'array<u32>' },
    { name: 'windows', access: 'write', type: 'array<Window>' },
    ROWS_BINDING,
  ];
  const { invocations, workgroups } = variant;
  return {
    key: kernelKey('cut-window', variant),
    label: `cut-window [${variant.vocab}]`,
    wgsl: weighingHeader(bindings) + windowStruct(variant, 'atomic<u32>') + largestKeyFunction(workgroups) + prefixSum(invocations) + SHARE
      + findCuts(invocations) + mainText(variant, scores.name),
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}
