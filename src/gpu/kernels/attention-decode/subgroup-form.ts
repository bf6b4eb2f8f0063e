/**
 * Decode attention by subgroups: a few lanes hold one key, 16 bytes or more a lane, so that a subgroup reads several whole keys at
 * once; dot products are summed over those lanes by shuffles. Every set of lanes keeps a softmax of its own, rescaled once for
 * `unroll` keys, and the sets are merged at the end. The keys that a subgroup has in flight, its batch, are neighbours: where none can
 * straddle two pages, a page number is read once a batch, and before it is wanted.
 */
import { LOWEST_MAX, MASKED_SCORE, queryScale, scoreText } from '../../attention-scores.ts';
import {
  attentionSizes,
  chunkOf,
  chunkQuads,
  headSource,
  kvElement,
  valuesAfterKeys,
} from '../../attention-shape.ts';
import { inverseRms } from '../../wgsl/head-preparation.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import type { AttentionDecodeVariant, DecodeForm } from './attention-decode-variant.ts';

/**
 * How lanes share keys. Names in the text: `h` heads, `u` keys in flight, `c` chunks of a lane's key, `v` of its value, `w` quads of a
 * chunk.
 */
interface Lanes {
  readonly variant: AttentionDecodeVariant;
  readonly subgroupSize: number;
  readonly subgroups: number;
  /** Lanes that hold one key. */
  readonly keyLanes: number;
  /** Keys that a subgroup holds at once, without unrolling. */
  readonly sets: number;
  /** Keys that a subgroup, and the workgroup, have in flight. */
  readonly batch: number;
  readonly block: number;
  readonly h: readonly number[];
  readonly u: readonly number[];
  readonly c: readonly number[];
  readonly v: readonly number[];
  readonly w: readonly number[];
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

function lanesOf(variant: AttentionDecodeVariant, subgroupSize: number): Lanes {
  const { key, value, quadsOfChunk } = attentionSizes(variant.shape);
  // The largest power of two that divides the chunks of both.
  const chunks = key.chunks | value.chunks;
  const keyLanes = Math.min(subgroupSize, chunks & -chunks);
  const subgroups = variant.invocations / subgroupSize;
  const sets = subgroupSize / keyLanes;
  const batch = sets * variant.unroll;
  return {
    variant, subgroupSize, keyLanes, subgroups, sets, batch,
    block: subgroups * batch,
    h: upTo(variant.queryHeads), u: upTo(variant.unroll), w: upTo(quadsOfChunk),
    c: upTo(key.chunks / keyLanes), v: upTo(value.chunks / keyLanes),
  };
}

/** One text for every combination of the given indices, the last one fastest. */
function each(indices: readonly (readonly number[])[], text: (...index: number[]) => string): string {
  const walk = (depth: number, index: readonly number[]): string[] =>
    depth === indices.length ? [text(...index)] : (indices[depth] as readonly number[]).flatMap((i) => walk(depth + 1, [...index, i]));
  return walk(0, []).join('\n');
}

export function subgroupForm(variant: AttentionDecodeVariant, subgroupSize: number): DecodeForm {
  const lanes = lanesOf(variant, subgroupSize);
  const { key, value } = attentionSizes(variant.shape);
  const { queryHeads } = variant;
  const { subgroups } = lanes;
  const merged = subgroups * queryHeads;
  const hasNew = variant.shape.input !== 'queries';
  return {
    memory: `var<workgroup> prepared: array<vec4<f32>, ${preparedVectors(variant) * key.paddedQuads}>;
var<workgroup> merged: array<vec4<f32>, ${merged * value.paddedQuads}>;
var<workgroup> weights: array<f32, ${merged}>;
var<workgroup> maxima: array<f32, ${merged}>;
var<workgroup> highest: array<f32, ${queryHeads}>;`,
    body: [
      placeText(lanes),
      firstLoads(lanes),
      ...(hasNew ? [newValueText(lanes)] : []),
      prepareText(lanes),
      hasNew ? newKeyText(lanes) : emptyText(lanes),
      loopText(lanes),
      mergeLanesText(lanes),
      mergeSubgroupsText(lanes),
    ].join('\n'),
    slices: subgroups,
  };
}

/** Whether a batch always lies in one page: not where the first key of a window lies anywhere in one. */
function hasPageOfBatch({ variant: { shape, splits }, batch }: Lanes): boolean {
  return shape.window === undefined && shape.pageTokens % batch === 0 && (splits === undefined || splits.granule % batch === 0);
}

function placeText({ variant, subgroupSize, keyLanes, batch, block }: Lanes): string {
  const setBits = Math.log2(keyLanes);
  return `  let subgroup = lane / ${subgroupSize}u;
  let part = laneInSubgroup & ${keyLanes - 1}u;
  let batchFirst = firstKey + subgroup * ${batch}u;
  let slot = subgroup * ${batch}u + (laneInSubgroup >> ${setBits}u);
  let slotFirst = firstKey + slot;
  let blocks = (cachedKeys + ${block - 1}u) / ${block}u;
  let lastKey = cachedEnd - 1u;
  let valueOffset = ${valuesAfterKeys(variant.shape)}u;`;
}

interface LoadText {
  readonly places: string;
  readonly keys: string;
  readonly values: string;
}

/** Keys or values of block `at` into registers; past the end, the last ones again, which then count for nothing. */
function loadText(lanes: Lanes, { at, prefix = '' }: { readonly at: string; readonly prefix?: string }): LoadText {
  const { u, c, v, keyLanes, sets, block } = lanes;
  const key = (n: number) => `min(slotFirst + (${at}) * ${block}u + ${n * sets}u, lastKey)`;
  const places = hasPageOfBatch(lanes)
    ? `${each([u], (n) => `    at${n} = keyInPage(page, kvHead, ${key(n!)}) + part;`)}
    page = pageOf(sequence, min(batchFirst + (${at} + 1u) * ${block}u, lastKey));`
    : each([u], (n) => `    at${n} = keyAt(sequence, kvHead, ${key(n!)}) + part;`);
  return {
    places,
    keys: each([u, c], (n, i) => `    ${prefix}k${n}_${i} = kv[at${n} + ${i! * keyLanes}u];`),
    values: each([u, v], (n, i) => `    ${prefix}v${n}_${i} = kv[at${n} + valueOffset + ${i! * keyLanes}u];`),
  };
}

/** One text for the name of every chunk of a key and of a value that a lane loads. */
function loadedNames({ u, c, v }: Lanes, text: (name: string) => string): string {
  const most = upTo(Math.max(c.length, v.length));
  const names = (n: number, i: number) => [...(i < c.length ? [`k${n}_${i}`] : []), ...(i < v.length ? [`v${n}_${i}`] : [])];
  return each([u, most], (n, i) => names(n!, i!).map(text).join('\n'));
}

/** Before anything that waits for q: the cache's latency and the preparation's overlap. */
function firstLoads(lanes: Lanes): string {
  const { u, variant } = lanes;
  const element = kvElement(variant.shape);
  const { places, keys, values } = loadText(lanes, { at: '0u' });
  const page = hasPageOfBatch(lanes) ? ['  var page = 0u;', '    page = pageOf(sequence, min(batchFirst, lastKey));\n'] : ['', ''];
  return `${page[0]}
${each([u], (n) => `  var at${n} = 0u;`)}
${loadedNames(lanes, (name) => `  var ${name} = ${element}();`)}
  if (blocks > 0u) {
${page[1]}${places}
${keys}
${values}
  }`;
}

/** Vectors of `prepared`: queries, then the new key where there is one. */
function preparedVectors({ shape, queryHeads }: AttentionDecodeVariant): number {
  return shape.input === 'queries' ? queryHeads : queryHeads + 1;
}

/** q of every head, scaled, and the new key as the cache will hold it, into `prepared`; a subgroup a head. */
function prepareText(lanes: Lanes): string {
  const { variant, subgroups } = lanes;
  const { shape, queryHeads } = variant;
  const { key: { quads, paddedQuads } } = attentionSizes(shape);
  const vectors = preparedVectors(variant);
  const query = `qQuad(first, quad, factor, position) * ${queryScale(shape, 'position')}`;
  const [place, value] = vectors === queryHeads
    ? [`    let first = queryFrom + min(head, ${queryHeads - 1}u) * ${quads}u;`, `x = ${query};`]
    : [
        `    let isKey = head >= ${queryHeads}u;\n    let first = select(queryFrom + head * ${quads}u, keyFrom, isKey);`,
        `if (isKey) { x = kvRounded(kQuad(first, quad, factor, position)); } else { x = ${query}; }`,
      ];
  const stores = eachQuad(lanes, `      if (head <= ${vectors - 1}u && quad < ${paddedQuads}u) {
        var x = vec4<f32>();
        if (quad < ${quads}u) {
          ${value}
        }
        prepared[head * ${paddedQuads}u + quad] = x;
      }`);
  return `  for (var n = 0u; n < ${Math.ceil(vectors / subgroups)}u; n++) {
    let head = n * ${subgroups}u + subgroup;
${place}
${factorText(lanes)}
${stores}
  }
  workgroupBarrier();`;
}

/** One text for every quad of a head that a lane of a subgroup takes. */
function eachQuad({ variant, subgroupSize }: Lanes, text: string): string {
  const { key: { paddedQuads } } = attentionSizes(variant.shape);
  return each([upTo(Math.ceil(paddedQuads / subgroupSize))], (n) => `    {
      let quad = laneInSubgroup + ${n! * subgroupSize}u;
${text}
    }`);
}

/** `factor`: 1 / rms of the head at `first`, summed by a subgroup. */
function factorText(lanes: Lanes): string {
  const { shape } = lanes.variant;
  const { key: { quads } } = attentionSizes(shape);
  if (shape.q.norm === undefined && shape.k.norm === undefined) return '    let factor = 1.0;';
  const [q, k] = [headSource(shape, 'q'), headSource(shape, 'k')];
  const isOne = q === k || shape.input === 'queries';
  const squares = eachQuad(lanes, `      if (quad < ${quads}u) {
        let x = ${isOne ? `${q}[first + quad]` : `select(${q}[select(first, queryFrom, isKey) + quad], ${k}[keyFrom + quad], isKey)`};
        squares += dot(x, x);
      }`);
  const [qEps, kEps] = [shape.q.norm?.eps ?? 0, shape.k.norm?.eps ?? 0];
  const eps = qEps === kEps || shape.input === 'queries' ? `${qEps}` : `select(${qEps}, ${kEps}, isKey)`;
  return `    var squares = 0.0;
${squares}
    let sum = subgroupAdd(squares);
    let factor = ${inverseRms('sum', { headDim: shape.keyDim, eps })};`;
}

/** Sums over the lanes of a key. */
function reduced(name: string, keyLanes: number): string {
  return upTo(Math.log2(keyLanes)).map((bit) => `${name} += subgroupShuffleXor(${name}, ${1 << bit}u);`).join(' ');
}

/** Dot product of a head's q with quads given by name. */
function dotText({ c, w }: Lanes, h: number, key: (i: number, j: number) => string): string {
  return c.flatMap((i) => w.map((j) => `dot(q${h}_${i}_${j}, ${key(i, j)})`)).join(' + ');
}

/** WGSL expression of the place in a head of a lane's quad. */
function quadText({ variant, keyLanes }: Lanes): (i: number, j: number) => string {
  const { quadsOfChunk } = attentionSizes(variant.shape);
  return (i, j) => `(part + ${i * keyLanes}u) * ${quadsOfChunk}u + ${j}u`;
}

/** The new value, which waits for nothing that the other heads' preparation waits for. */
function newValueText(lanes: Lanes): string {
  const { variant: { shape }, v, w } = lanes;
  const { value: { quads, paddedQuads } } = attentionSizes(shape);
  const quad = quadText(lanes);
  const source = (i: number, j: number) => `${headSource(shape, 'v')}[valueFrom + ${quad(i, j)}]`;
  const [before, value] = shape.v
    ? [`${valueFactorText(lanes, source)}\n`, (i: number, j: number) => `kvRounded(vQuad(valueFrom, ${quad(i, j)}, valueFactor, position))`]
    : ['', (i: number, j: number) => `kvRounded(${source(i, j)})`];
  return before + each([v, w], (i, j) =>
    paddedQuads === quads
      ? `  let value${i}_${j} = ${value(i!, j!)};`
      : `  var value${i}_${j} = vec4<f32>();\n  if (${quad(i!, j!)} < ${quads}u) { value${i}_${j} = ${value(i!, j!)}; }`,
  );
}

/** `valueFactor`: 1 / rms of the new value, summed by the lanes that hold it. */
function valueFactorText(lanes: Lanes, source: (i: number, j: number) => string): string {
  const { variant: { shape }, keyLanes, v, w } = lanes;
  const { value: { quads } } = attentionSizes(shape);
  const quad = quadText(lanes);
  const add = each([v, w], (i, j) => `  if (${quad(i!, j!)} < ${quads}u) {
    let x = ${source(i!, j!)};
    valueSquares += dot(x, x);
  }`);
  return `  var valueSquares = 0.0;
${add}
  ${reduced('valueSquares', keyLanes)}
  let valueFactor = ${inverseRms('valueSquares', { headDim: shape.valueDim, eps: `${shape.v?.norm.eps}` })};`;
}

/** A lane's quads of the queries. */
function queriesText(lanes: Lanes): string {
  const { variant: { shape }, h, c, w } = lanes;
  const { key: { paddedQuads } } = attentionSizes(shape);
  const quad = quadText(lanes);
  return each([h, c, w], (n, i, j) => `  let q${n}_${i}_${j} = prepared[${n! * paddedQuads}u + ${quad(i!, j!)}];`);
}

/** The softmax of every set of lanes begins empty. */
function emptyText(lanes: Lanes): string {
  const { h, v, w } = lanes;
  return `${queriesText(lanes)}
${each([h], (n) => `  var most${n} = ${LOWEST_MAX};\n  var sum${n} = 0.0;`)}
${each([h, v, w], (n, i, j) => `  var y${n}_${i}_${j} = vec4<f32>();`)}`;
}

/** The new key is where the softmax of the first set of lanes begins, all others begin empty. And it goes to the cache. */
function newKeyText(lanes: Lanes): string {
  const { variant: { shape, queryHeads }, keyLanes, h, c, v, w } = lanes;
  const { key: { paddedQuads } } = attentionSizes(shape);
  const quad = quadText(lanes);
  return `  let ownsNew = hasNew && slot == 0u;
${queriesText(lanes)}
${each([c, w], (i, j) => `  let key${i}_${j} = prepared[${queryHeads * paddedQuads}u + ${quad(i!, j!)}];`)}
${each([h], (n) => `  var new${n} = ${dotText(lanes, n!, (i, j) => `key${i}_${j}`)};
  ${reduced(`new${n}`, keyLanes)}
  var most${n} = select(${LOWEST_MAX}, ${scoreText(shape, `new${n}`)}, ownsNew);
  var sum${n} = select(0.0, 1.0, ownsNew);`)}
${each([h, v, w], (n, i, j) => `  var y${n}_${i}_${j} = select(vec4<f32>(), value${i}_${j}, ownsNew);`)}
  if (writesCache && slot == 0u) {
    let at = keyAt(sequence, kvHead, position) + part;
${each([upTo(Math.max(c.length, v.length))], (i) => cacheStores(lanes, i!))}
  }`;
}

/** A lane's chunk `i` of the new key and of the new value to the cache, where it has one. */
function cacheStores({ variant: { shape }, keyLanes, c, v, w }: Lanes, i: number): string {
  const chunk = (name: string) => chunkOf(shape, w.map((j) => `${name}${i}_${j}`));
  return [
    ...(i < c.length ? [`    kv[at + ${i * keyLanes}u] = ${chunk('key')};`] : []),
    ...(i < v.length ? [`    kv[at + valueOffset + ${i * keyLanes}u] = ${chunk('value')};`] : []),
  ].join('\n');
}

/** Scores of a block's keys, for all heads. */
function scoresText(lanes: Lanes): string {
  const { variant: { shape }, keyLanes, sets, block, h, u, c } = lanes;
  return each([u], (n) => `${quadsText(shape, c, `k${n}`)}
    let isPast${n} = slotFirst + block * ${block}u + ${n! * sets}u > lastKey;
${each([h], (m) => `    var s${m}_${n} = ${dotText(lanes, m!, (i, j) => `k${n}_${i}_${j}`)};
    ${reduced(`s${m}_${n}`, keyLanes)}
    s${m}_${n} = select(${scoreText(shape, `s${m}_${n}`)}, ${MASKED_SCORE}, isPast${n});`)}`);
}

/** The quads of a lane's chunks, by name. */
function quadsText(shape: AttentionShape, c: readonly number[], name: string): string {
  return each([c], (i) => chunkQuads(shape, `${name}_${i}`).map((quad, j) => `    let ${name}_${i}_${j} = ${quad};`).join('\n'));
}

function softmaxText({ h, u, v, w }: Lanes): string {
  return each([h], (m) => `    let most${m}Next = ${u.reduce((text, n) => `max(${text}, s${m}_${n})`, `most${m}`)};
    let fade${m} = exp2(most${m} - most${m}Next);
    most${m} = most${m}Next;
${each([u], (n) => `    let p${m}_${n} = exp2(s${m}_${n} - most${m});`)}
    sum${m} = sum${m} * fade${m} + ${u.map((n) => `p${m}_${n}`).join(' + ')};
${each([v, w], (i, j) => `    y${m}_${i}_${j} *= fade${m};`)}`);
}

function loopText(lanes: Lanes): string {
  const { variant: { shape, loads = 'refilled' }, h, u, v, w } = lanes;
  const sums = each(
    [u],
    (n) => `${quadsText(shape, v, `v${n}`)}\n${each([h, v, w], (m, i, j) => `    y${m}_${i}_${j} += p${m}_${n} * v${n}_${i}_${j};`)}`,
  );
  const { places, keys, values } = loadText(lanes, { at: 'block + 1u', prefix: loads === 'ahead' ? 'next_' : '' });
  const whereNext = (...texts: readonly string[]) => `    if (hasNext) {\n${texts.join('\n')}\n    }`;
  const taken = loadedNames(lanes, (name) => `    ${name} = next_${name};`);
  const declared = loadedNames(lanes, (name) => `    var next_${name} = ${kvElement(shape)}();`);
  const [before, between, after] = {
    together: ['', '', whereNext(places, keys, values)],
    refilled: ['', whereNext(places, keys), whereNext(values)],
    ahead: [`${declared}\n${whereNext(places, keys, values)}`, '', taken],
  }[loads] as [string, string, string];
  return `  for (var block = 0u; block < blocks; block++) {
    let hasNext = block + 1u < blocks;
${before}
${scoresText(lanes)}
${between}
${softmaxText(lanes)}
${sums}
${after}
  }`;
}

/** The sets of lanes of a subgroup into one: afterwards every set holds the whole. */
function mergeLanesText({ subgroupSize, keyLanes, h, v, w }: Lanes): string {
  const masks = upTo(Math.log2(subgroupSize / keyLanes)).map((bit) => keyLanes << bit);
  return each([h, masks], (n, mask) => `  {
    let most = max(most${n}, subgroupShuffleXor(most${n}, ${mask}u));
    let fade = exp2(most${n} - most);
    most${n} = most;
    sum${n} *= fade;
    sum${n} += subgroupShuffleXor(sum${n}, ${mask}u);
${each([v, w], (i, j) => `    y${n}_${i}_${j} *= fade;\n    y${n}_${i}_${j} += subgroupShuffleXor(y${n}_${i}_${j}, ${mask}u);`)}
  }`);
}

function mergeSubgroupsText({ variant, subgroups, keyLanes, h, v, w }: Lanes): string {
  const { queryHeads, shape } = variant;
  const { value: { paddedQuads }, quadsOfChunk } = attentionSizes(shape);
  // [subgroups][queryHeads][paddedQuads]
  const place = (n: number, i: number, j: number) =>
    `(subgroup * ${queryHeads}u + ${n}u) * ${paddedQuads}u + (part + ${i * keyLanes}u) * ${quadsOfChunk}u + ${j}u`;
  return `  if (laneInSubgroup == 0u) {
${each([h], (n) => `    maxima[subgroup * ${queryHeads}u + ${n}u] = most${n};`)}
  }
  workgroupBarrier();
${each([h], (n) => `  var all${n} = maxima[${n}u];
  for (var slice = 1u; slice < ${subgroups}u; slice++) { all${n} = max(all${n}, maxima[slice * ${queryHeads}u + ${n}u]); }
  let fade${n} = exp2(most${n} - all${n});`)}
  if (laneInSubgroup == 0u) {
${each([h], (n) => `    weights[subgroup * ${queryHeads}u + ${n}u] = sum${n} * fade${n};`)}
  }
  if (lane == 0u) {
${each([h], (n) => `    highest[${n}u] = all${n};`)}
  }
  if (laneInSubgroup < ${keyLanes}u) {
${each([h, v, w], (n, i, j) => `    merged[${place(n!, i!, j!)}] = y${n}_${i}_${j} * fade${n};`)}
  }
  workgroupBarrier();`;
}
