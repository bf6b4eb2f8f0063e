/**
 * The last dispatch of the full sampler, a workgroup a row: the exact places of the cuts among the tokens that its window lists, then the
 * draw. The drawn token is where the running sum of weights by ascending id first exceeds the random number times their total:
 * first among the sums of the workgroups' runs of ids, then within one run.
 */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel } from '../../kernel.ts';
import { SETTINGS_BINDING } from '../../sampling/sampling-record.ts';
import { checkSamplerVariant, scoresBinding, scoresOf, vocabularyShape } from '../../sampling/sampler-variant.ts';
import type { SamplerVariant } from '../../sampling/sampler-variant.ts';
import { atomicAddWide, PHILOX } from '../../wgsl/wide-integer.ts';
import { emitBindings, emitToken } from '../argmax/emit-token.ts';
import { crossingFunctions, overTokens, SLOTS } from './crossing.ts';
import { SHARE } from './cut-window.ts';
import { NOTHING, weighingHeader } from './draw-weight.ts';
import { prefixSum } from './prefix-sum.ts';
import { windowStruct, WINDOW_TOKENS } from './window.ts';

/** Words of `slots`: sums of a search, later the sums of the runs of ids. */
function slotWords({ workgroups }: SamplerVariant): number {
  return 2 * Math.max(SLOTS, workgroups);
}

/** The tokens that a cut has to decide about: those listed or, where the list is too short for them, all there are. */
function source(variant: SamplerVariant, scores: string): string {
  const { vocab, invocations } = variant;
  return `var<workgroup> slots: array<atomic<u32>, ${slotWords(variant)}>;
var<private> largest: f32;
var<private> ownRow: u32;
var<private> firstScore: u32;
struct Source { listed: bool, count: u32, turns: u32 }
fn sourceOf(listed: u32) -> Source {
  let fits = listed <= ${WINDOW_TOKENS}u;
  let count = select(${vocab}u, listed, fits);
  return Source(fits, count, (count + ${invocations - 1}u) / ${invocations}u);
}
fn tokenAt(source: Source, i: u32) -> vec2<u32> {
  if (source.listed) { return windows[ownRow].tokens[i]; }
  return vec2<u32>(distanceOf(${scores}[firstScore + i], largest), i);
}
`;
}

/** `findPlace(row, sampling, lane, source)`: distance bits and id of the last token that top-k and top-p keep; all bits set for none. */
function findPlace({ invocations }: SamplerVariant): string {
  return `/// Weight of top-k's bin as far as the cut.
fn weightThrough(row: u32, lane: u32, source: Source, last: u32) -> vec2<u32> {
  if (lane == 0u) {
    atomicStore(&slots[0], 0u);
    atomicStore(&slots[1], 0u);
  }
  workgroupBarrier();
  let start = binStart(sampling, windows[row].cut.kBin);
${overTokens(invocations, `if (token.x >= start && token.x <= last) ${atomicAddWide('slots[0]', 'slots[1]', 'weightOf(token.x)')}`)}
  workgroupBarrier();
  if (lane == 0u) { foundPair = vec2<u32>(atomicLoad(&slots[0]), atomicLoad(&slots[1])); }
  return workgroupUniformLoad(&foundPair);
}
fn findPlace(row: u32, sampling: Sampling, lane: u32, source: Source) -> vec2<u32> {
  let cut = windows[row].cut;
  var place = vec2<u32>(${NOTHING});
  var total = cut.total;
  // One call for both cuts, since compilers copy a function to where it is called.
  for (var turn = 0u; turn < 2u; turn++) {
    let byCount = turn == 0u;
    let first = select(cut.pFirst, cut.kBin, byCount);
    if (first == ${NOTHING}) { continue; }
    let last = select(cut.pLast, cut.kBin, byCount);
    let end = min(binStart(sampling, last + 1u), max(place.x, place.x + 1u));
    let wanted = select(subtractWide(shareOf(sampling, total), cut.pBefore), vec2<u32>(cut.kLeft, 0u), byCount);
    place = crossing(lane, source, binStart(sampling, first), end, byCount, wanted);
    if (byCount) {
      place.y = ${NOTHING};
      if (sampling.topP != 0u) { total = addWide(cut.kBefore, weightThrough(row, lane, source, place.x)); }
    }
  }
  return place;
}
`;
}

/** `drawRun(lane, source, place, random)`: the run of ids that holds the drawn token, and what is left to reach within it. */
function drawRun(variant: SamplerVariant): string {
  const { workgroups } = variant;
  const runIds = idsOfRun(variant);
  const isBefore = '(token.x < place.x || (token.x == place.x && token.y <= place.y))';
  return `struct Run { index: u32, left: vec2<u32> }
fn isKept(token: vec2<u32>, place: vec2<u32>) -> bool {
  return token.x != ${NOTHING} && bitcast<f32>(token.x) <= sampling.minPReach && ${isBefore};
}
fn drawRun(lane: u32, source: Source, place: vec2<u32>, random: u32) -> Run {
  if (lane < ${workgroups}u) {
    atomicStore(&slots[2u * lane], windows[ownRow].sums[lane].x);
    atomicStore(&slots[2u * lane + 1u], windows[ownRow].sums[lane].y);
  }
  if (lane == 0u) {
    foundWord = 0u;
    foundPair = vec2<u32>(0u);
  }
  workgroupBarrier();
${overTokens(variant.invocations, `if (isKept(token, place) && binOf(token.x) >= windows[ownRow].cut.solid) {
        let run = token.y / ${runIds}u;
        ${atomicAddWide('slots[2u * run]', 'slots[2u * run + 1u]', 'weightOf(token.x)')}
      }`)}
  workgroupBarrier();
  var own = vec3<u32>(0u);
  if (lane < ${workgroups}u) { own = vec3<u32>(0u, atomicLoad(&slots[2u * lane]), atomicLoad(&slots[2u * lane + 1u])); }
  let before = sumBefore(lane, own);
  let wanted = addWide(fractionOf(wholeSum().yz, random), vec2<u32>(1u, 0u));
  if (lessWide(before.yz, wanted) && !lessWide(addCounted(before, own).yz, wanted)) {
    foundWord = lane;
    foundPair = subtractWide(wanted, before.yz);
  }
  let index = workgroupUniformLoad(&foundWord);
  return Run(index, workgroupUniformLoad(&foundPair));
}
`;
}

function idsOfRun(variant: SamplerVariant): number {
  const { chunk, lanes } = vocabularyShape(variant);
  return chunk * lanes;
}

/** `drawWithin(lane, run, place)`: the id at which the running sum reaches what is left. */
function drawWithin(variant: SamplerVariant, scores: string): string {
  const runIds = idsOfRun(variant);
  const perLane = Math.ceil(runIds / variant.invocations);
  return `fn keptWeight(id: u32, place: vec2<u32>) -> vec2<u32> {
  let token = vec2<u32>(distanceOf(${scores}[firstScore + id], largest), id);
  if (!isKept(token, place)) { return vec2<u32>(0u); }
  return weightOf(token.x);
}
fn drawWithin(lane: u32, run: Run, place: vec2<u32>) -> u32 {
  let first = run.index * ${runIds}u + lane * ${perLane}u;
  let end = min(min(first + ${perLane}u, (run.index + 1u) * ${runIds}u), ${variant.vocab}u);
  var own = vec2<u32>(0u);
  for (var i = 0u; i < ${perLane}u; i++) {
    if (first + i < end) { own = addWide(own, keptWeight(first + i, place)); }
  }
  var sum = sumBefore(lane, vec3<u32>(0u, own)).yz;
  if (lane == 0u) { foundWord = 0u; }
  workgroupBarrier();
  if (lessWide(sum, run.left) && !lessWide(addWide(sum, own), run.left)) {
    for (var i = 0u; i < ${perLane}u; i++) {
      if (first + i < end) {
        let next = addWide(sum, keptWeight(first + i, place));
        if (lessWide(sum, run.left) && !lessWide(next, run.left)) { foundWord = first + i; }
        sum = next;
      }
    }
  }
  return workgroupUniformLoad(&foundWord);
}
`;
}

/** Bindings: `logits` or `scores`, `settings`, `windows` and those of emit-token.ts. */
export function drawTokenKernel(variant: SamplerVariant): Kernel {
  checkSamplerVariant(variant);
  const { vocab, invocations } = variant;
  const scores = scoresBinding(variant, 'u32');
  const bindings: readonly Binding[] = [
    scores, SETTINGS_BINDING,
    { name: 'windows', access: 'read', type: 'array<Window>' },
    ...emitBindings(variant),
  ];
  const main = `@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.y;
  let own = settings[rows[row].y];
  sampling = own;
  ownRow = row;
  firstScore = ${scoresOf(variant, 'row', vocab)};
  largest = logitOfKey(windows[row].cut.largestKey);
  let source = sourceOf(windows[row].listed);
  let place = findPlace(row, own, lane, source);
  let random = select(philoxWord(chosen[rows[row].y].written, own.seed) & 0xffffff00u, 0u, own.greedy == 1u);
  let run = drawRun(lane, source, place, random);
  let token = drawWithin(lane, run, place);
  if (lane == 0u) { emit(row, token, usableKey(windows[row].cut.largestKey)); }
}
`;
  return {
    key: kernelKey('draw-token', variant),
    label: `draw-token [${vocab}]`,
    wgsl: [
      weighingHeader(bindings), windowStruct(variant, 'u32'), PHILOX, prefixSum(invocations), SHARE, source(variant, scores.name),
      crossingFunctions(variant), findPlace(variant), drawRun(variant), drawWithin(variant, scores.name), emitToken(variant), main,
    ].join(''),
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}
