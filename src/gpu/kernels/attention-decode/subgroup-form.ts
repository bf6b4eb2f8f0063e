/**
 * Decode attention by subgroups: a few lanes hold one key, 16 bytes or more a lane, so that a subgroup reads several whole keys at
 * once; dot products are summed over those lanes by shuffles. Every set of lanes keeps a softmax of its own, rescaled once for
 * `unroll` keys, and the sets are merged at the end. The keys that a subgroup has in flight, its batch, are neighbours: where none can
 * straddle two pages, a page number is read once a batch, and before it is wanted.
 */
import { MASKED_SCORE, scoreText } from '../../attention-scores.ts';
import { attentionSizes, bringsKeys, cacheChunk, chunkQuads, hasCodes, kvElement, valuesAfterKeys } from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import type { AttentionDecodeVariant, DecodeForm } from './attention-decode-variant.ts';
import { dotText, each, lanesOf, reduced, upTo } from './subgroup-lanes.ts';
import type { Lanes } from './subgroup-lanes.ts';
import { emptyText, newKeyText, newValueText, preparedVectors, prepareText } from './subgroup-preparation.ts';

export function subgroupForm(variant: AttentionDecodeVariant, subgroupSize: number): DecodeForm {
  const lanes = lanesOf(variant, subgroupSize);
  const { key, value } = attentionSizes(variant.shape);
  const { queryHeads } = variant;
  const { subgroups } = lanes;
  const merged = subgroups * queryHeads;
  const hasNew = bringsKeys(variant.shape);
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
  const { variant: { shape }, u, c, v, keyLanes, sets, block } = lanes;
  const isPlain = !hasCodes(shape);
  const part = isPlain ? ' + part' : '';
  const chunk = (i: number) => (i === 0 ? 'part' : `part + ${i * keyLanes}u`);
  const key = (n: number) => `min(slotFirst + (${at}) * ${block}u + ${n * sets}u, lastKey)`;
  const places = hasPageOfBatch(lanes)
    ? `${each([u], (n) => `    at${n} = keyInPage(page, kvHead, ${key(n!)})${part};`)}
    page = pageOf(sequence, min(batchFirst + (${at} + 1u) * ${block}u, lastKey));`
    : each([u], (n) => `    at${n} = keyAt(sequence, kvHead, ${key(n!)})${part};`);
  return {
    places,
    keys: each([u, c], (n, i) => {
      const plain = `kv[at${n} + ${i! * keyLanes}u]`;
      return `    ${prefix}k${n}_${i} = ${cacheChunk(shape, 'key', { at: `at${n}`, chunk: chunk(i!), plain })};`;
    }),
    values: each([u, v], (n, i) => {
      const plain = `kv[at${n} + valueOffset + ${i! * keyLanes}u]`;
      return `    ${prefix}v${n}_${i} = ${cacheChunk(shape, 'value', { at: `at${n}`, chunk: chunk(i!), plain })};`;
    }),
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
