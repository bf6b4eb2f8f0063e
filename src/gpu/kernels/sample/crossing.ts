/**
 * Finds the token at which a sum over tokens in order (nearest to the best first, equals by id) first reaches what is wanted: the
 * sum of their number for top-k, of their weight for top-p. A radix search: as long as the interval holds more tokens than can be
 * compared with each other, it is cut into {@link SLOTS} and the one in which the sum gets there is the next interval.
 */
import { atomicAddWide } from '../../wgsl/wide-integer.ts';
import { NOTHING } from './draw-weight.ts';

const SLOT_BITS = 9;
export const SLOTS = 2 ** SLOT_BITS;
/** Tokens that are compared each with each. */
const ROOM = 256;

export interface CrossingOptions {
  readonly vocab: number;
  readonly invocations: number;
}

const SEARCH = `struct Search {
  begin: u32,
  size: u32,
  idBegin: u32,
  idSize: u32,
  left: vec2<u32>,
  byCount: bool,
}
fn inside(search: Search, token: vec2<u32>) -> bool {
  return token.x - search.begin < search.size && token.y - search.idBegin < search.idSize;
}
fn measure(search: Search, distance: u32) -> vec2<u32> {
  if (search.byCount) { return vec2<u32>(1u, 0u); }
  return weightOf(distance);
}
`;

/** A turn of the workgroup for each token of `source`: statements that see `token`, its distance bits and id. */
export function overTokens(invocations: number, body: string): string {
  return `  for (var turn = 0u; turn < source.turns; turn++) {
    let i = turn * ${invocations}u + lane;
    if (i < source.count) {
      let token = tokenAt(source, i);
      ${body}
    }
  }`;
}

/** Fills `near` with the interval's tokens and returns their number, which may be more than it holds. */
const gather = (invocations: number): string => `fn gather(lane: u32, source: Source, search: Search) -> u32 {
  if (lane == 0u) { atomicStore(&nearCount, 0u); }
  workgroupBarrier();
${overTokens(invocations, `if (inside(search, token)) {
        let at = atomicAdd(&nearCount, 1u);
        if (at < ${ROOM}u) { near[at] = vec4<u32>(token, measure(search, token.x)); }
      }`)}
  workgroupBarrier();
  if (lane == 0u) { foundWord = atomicLoad(&nearCount); }
  return workgroupUniformLoad(&foundWord);
}
`;

/** The slot of the interval in which the sum gets there becomes the interval. */
const narrow = (invocations: number): string => {
  const perLane = Math.max(1, SLOTS / invocations);
  return `fn narrow(lane: u32, source: Source, search: Search) -> Search {
  let byId = search.size == 1u;
  let range = select(search.size, search.idSize, byId);
  let shift = u32(max(0, ${32 - SLOT_BITS} - i32(countLeadingZeros(range - 1u))));
  for (var turn = 0u; turn < ${perLane * 2}u; turn++) {
    let word = turn * ${invocations}u + lane;
    if (word < ${2 * SLOTS}u) { atomicStore(&slots[word], 0u); }
  }
  if (lane == 0u) {
    foundWord = 0u;
    foundPair = vec2<u32>(0u);
  }
  workgroupBarrier();
${overTokens(invocations, `if (inside(search, token)) {
        let slot = select(token.x - search.begin, token.y - search.idBegin, byId) >> shift;
        ${atomicAddWide('slots[slot]', `slots[slot + ${SLOTS}u]`, 'measure(search, token.x)')}
      }`)}
  workgroupBarrier();
  var own = vec3<u32>(0u);
  for (var i = 0u; i < ${perLane}u; i++) { own = addCounted(own, slotSum(lane * ${perLane}u + i)); }
  var run = sumBefore(lane, own);
  for (var i = 0u; i < ${perLane}u; i++) {
    let next = addCounted(run, slotSum(lane * ${perLane}u + i));
    if (lessWide(run.yz, search.left) && !lessWide(next.yz, search.left)) {
      foundWord = lane * ${perLane}u + i;
      foundPair = run.yz;
    }
    run = next;
  }
  let start = workgroupUniformLoad(&foundWord) << shift;
  let size = min(1u << shift, range - start);
  var result = search;
  result.left = subtractWide(search.left, workgroupUniformLoad(&foundPair));
  if (byId) {
    result.idBegin = search.idBegin + start;
    result.idSize = size;
  } else {
    result.begin = search.begin + start;
    result.size = size;
  }
  return result;
}
`;
};

/** Of the tokens in `near`. */
const pickNear = (invocations: number): string => `fn pickNear(lane: u32, count: u32, left: vec2<u32>) -> vec2<u32> {
  for (var turn = 0u; turn < ${Math.ceil(ROOM / invocations)}u; turn++) {
    let at = turn * ${invocations}u + lane;
    if (at < count) {
      let mine = near[at];
      var before = vec2<u32>(0u);
      for (var i = 0u; i < count; i++) {
        let other = near[i];
        if (other.x < mine.x || (other.x == mine.x && other.y < mine.y)) { before = addWide(before, other.zw); }
      }
      if (lessWide(before, left) && !lessWide(addWide(before, mine.zw), left)) { foundPair = mine.xy; }
    }
  }
  return workgroupUniformLoad(&foundPair);
}
`;

/**
 * `crossing(lane, source, begin, end, byCount, wanted)`, over tokens whose distance bits lie in [begin, end): the distance bits and id
 * of the token; by number the id means nothing, since equals at top-k's last place all stay. Wants `tokenAt(source, i)`, the struct
 * `Source` (`count`, and `turns` of the workgroup over them), `slots` of 2 * {@link SLOTS} words or more, prefix-sum.ts.
 */
export function crossingFunctions({ vocab, invocations }: CrossingOptions): string {
  return `var<workgroup> near: array<vec4<u32>, ${ROOM}>;
var<workgroup> nearCount: atomic<u32>;
var<workgroup> foundWord: u32;
var<workgroup> foundPair: vec2<u32>;
fn slotSum(slot: u32) -> vec3<u32> {
  if (slot >= ${SLOTS}u) { return vec3<u32>(0u); }
  return vec3<u32>(0u, atomicLoad(&slots[slot]), atomicLoad(&slots[slot + ${SLOTS}u]));
}
${SEARCH}${gather(invocations)}${narrow(invocations)}${pickNear(invocations)}
fn crossing(lane: u32, source: Source, begin: u32, end: u32, byCount: bool, wanted: vec2<u32>) -> vec2<u32> {
  var search = Search(begin, end - begin, 0u, ${vocab}u, wanted, byCount);
  for (var level = 0u; level < 8u; level++) {
    let count = gather(lane, source, search);
    if (count <= ${ROOM}u) { return pickNear(lane, count, search.left); }
    if (byCount && search.size == 1u) { break; }
    search = narrow(lane, source, search);
  }
  return vec2<u32>(search.begin, ${NOTHING});
}
`;
}
