/**
 * Decode attention by subgroups: a few lanes hold one key, 16 bytes or more a lane, so that a subgroup reads several whole keys at
 * once; dot products are summed over those lanes by shuffles. Every set of lanes keeps a softmax of its own, rescaled once for
 * `unroll` keys, and the sets are merged at the end. The keys that a subgroup has in flight, its batch, are neighbours: where none can
 * straddle two pages, a page number is read once a batch, and before it is wanted.
 */
import { MASKED_SCORE, scoreText } from '../../attention-scores.ts';
import { attentionSizes, bringsKeys, cacheChunk, cachedPart, hasCodes, kvElement, valuesAfterKeys } from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { GROUP_FUNCTIONS, groupFunctions } from '../../coded-cache.ts';
import type { AttentionDecodeVariant, DecodeForm } from './attention-decode-variant.ts';
import { dotText, each, hasGroups, lanesOf, pieceQuads, reduced, upTo } from './subgroup-lanes.ts';
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
    memory: `${groupsText(variant.shape)}var<workgroup> prepared: array<vec4<f32>, ${preparedVectors(variant) * key.paddedQuads}>;
var<workgroup> merged: array<vec4<f32>, ${merged * value.paddedQuads}>;
var<workgroup> weights: array<f32, ${merged}>;
var<workgroup> maxima: array<f32, ${merged}>;
var<workgroup> highest: array<f32, ${queryHeads}>;`,
    // Made when it is read: many variants are asked for their memory alone.
    get body() {
      return [
        placeText(lanes),
        firstLoads(lanes),
        ...(hasNew ? [newValueText(lanes)] : []),
        prepareText(lanes),
        hasNew ? newKeyText(lanes) : emptyText(lanes),
        loopText(lanes),
        mergeLanesText(lanes),
        mergeSubgroupsText(lanes),
      ].join('\n');
    },
    slices: subgroups,
  };
}

/** Declarations of what lanes hold of codes. */
function groupsText(shape: AttentionShape): string {
  const [keys, values] = [hasGroups(shape, 'key'), hasGroups(shape, 'value')];
  const key = { name: 'KeyGroup', load: 'keyGroup', offset: 0 };
  const value = { name: 'ValueGroup', load: 'valueGroup', offset: valuesAfterKeys(shape) };
  return [
    ...(keys || values ? [GROUP_FUNCTIONS] : []),
    ...(keys ? [groupFunctions({ ...cachedPart(shape, 'key'), ...key })] : []),
    ...(values ? [groupFunctions({ ...cachedPart(shape, 'value'), ...value })] : []),
  ].map((text) => `${text}\n`).join('');
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

/** WGSL expression of which piece of a key or value is a lane's own `i`. */
function pieceOf({ keyLanes }: Lanes, i: number): string {
  return i === 0 ? 'part' : `part + ${i * keyLanes}u`;
}

/** WGSL type of a loaded piece of a key `k...` or value `v...`. */
function elementOf(shape: AttentionShape, name: string): string {
  const isKey = name.startsWith('k');
  if (!hasGroups(shape, isKey ? 'key' : 'value')) return kvElement(shape);
  return isKey ? 'KeyGroup' : 'ValueGroup';
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
  const piece = (own: 'key' | 'value', n: number, i: number, plain: string) => {
    const place = { at: `at${n}`, chunk: pieceOf(lanes, i), plain };
    return hasGroups(shape, own) ? `${own}Group(${place.at}, ${place.chunk})` : cacheChunk(shape, own, place);
  };
  const key = (n: number) => `min(slotFirst + (${at}) * ${block}u + ${n * sets}u, lastKey)`;
  const places = hasPageOfBatch(lanes)
    ? `${each([u], (n) => `    at${n} = keyInPage(page, kvHead, ${key(n!)})${part};`)}
    page = pageOf(sequence, min(batchFirst + (${at} + 1u) * ${block}u, lastKey));`
    : each([u], (n) => `    at${n} = keyAt(sequence, kvHead, ${key(n!)})${part};`);
  return {
    places,
    keys: each([u, c], (n, i) => `    ${prefix}k${n}_${i} = ${piece('key', n!, i!, `kv[at${n} + ${i! * keyLanes}u]`)};`),
    values: each([u, v], (n, i) =>
      `    ${prefix}v${n}_${i} = ${piece('value', n!, i!, `kv[at${n} + valueOffset + ${i! * keyLanes}u]`)};`),
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
  const { places, keys, values } = loadText(lanes, { at: '0u' });
  const page = hasPageOfBatch(lanes) ? ['  var page = 0u;', '    page = pageOf(sequence, min(batchFirst, lastKey));\n'] : ['', ''];
  return `${page[0]}
${each([u], (n) => `  var at${n} = 0u;`)}
${loadedNames(lanes, (name) => `  var ${name} = ${elementOf(variant.shape, name)}();`)}
  if (blocks > 0u) {
${page[1]}${places}
${keys}
${values}
  }`;
}

/** Scores of a block's keys, for all heads. */
function scoresText(lanes: Lanes): string {
  const { variant: { shape }, keyLanes, sets, block, h, u, c } = lanes;
  const scale = (n: number) => (hasGroups(shape, 'key') ? (i: number) => `k${n}_${i}_s` : undefined);
  return each([u], (n) => `${quadsText(lanes, 'key', c, `k${n}`)}
    let isPast${n} = slotFirst + block * ${block}u + ${n! * sets}u > lastKey;
${each([h], (m) => `    var s${m}_${n} = ${dotText(lanes, m!, (i, j) => `k${n}_${i}_${j}`, scale(n!))};
    ${reduced(`s${m}_${n}`, keyLanes)}
    s${m}_${n} = select(${scoreText(shape, `s${m}_${n}`)}, ${MASKED_SCORE}, isPast${n});`)}`);
}

/** The quads of a lane's pieces, by name, and the scales of groups. */
function quadsText(lanes: Lanes, part: 'key' | 'value', c: readonly number[], name: string): string {
  const { shape } = lanes.variant;
  return each([c], (i) => {
    const own = `${name}_${i}`;
    const scale = hasGroups(shape, part) ? [`    let ${own}_s = groupScale(${own}.scales, ${pieceOf(lanes, i!)});`] : [];
    return [...scale, ...pieceQuads(shape, part, own).map((quad, j) => `    let ${own}_${j} = ${quad};`)].join('\n');
  });
}

function softmaxText({ h, u, v, vw }: Lanes): string {
  return each([h], (m) => `    let most${m}Next = ${u.reduce((text, n) => `max(${text}, s${m}_${n})`, `most${m}`)};
    let fade${m} = exp2(most${m} - most${m}Next);
    most${m} = most${m}Next;
${each([u], (n) => `    let p${m}_${n} = exp2(s${m}_${n} - most${m});`)}
    sum${m} = sum${m} * fade${m} + ${u.map((n) => `p${m}_${n}`).join(' + ')};
${each([v, vw], (i, j) => `    y${m}_${i}_${j} *= fade${m};`)}`);
}

function loopText(lanes: Lanes): string {
  const { variant: { shape, loads = 'refilled' }, h, u, v, vw } = lanes;
  const weight = (m: number, n: number, i: number) => (hasGroups(shape, 'value') ? `(p${m}_${n} * v${n}_${i}_s)` : `p${m}_${n}`);
  const sums = each(
    [u],
    (n) =>
      `${quadsText(lanes, 'value', v, `v${n}`)}\n` +
      each([h, v, vw], (m, i, j) => `    y${m}_${i}_${j} += ${weight(m!, n!, i!)} * v${n}_${i}_${j};`),
  );
  const { places, keys, values } = loadText(lanes, { at: 'block + 1u', prefix: loads === 'ahead' ? 'next_' : '' });
  const whereNext = (...texts: readonly string[]) => `    if (hasNext) {\n${texts.join('\n')}\n    }`;
  const taken = loadedNames(lanes, (name) => `    ${name} = next_${name};`);
  const declared = loadedNames(lanes, (name) => `    var next_${name} = ${elementOf(shape, name)}();`);
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
function mergeLanesText({ subgroupSize, keyLanes, h, v, vw }: Lanes): string {
  const masks = upTo(Math.log2(subgroupSize / keyLanes)).map((bit) => keyLanes << bit);
  return each([h, masks], (n, mask) => `  {
    let most = max(most${n}, subgroupShuffleXor(most${n}, ${mask}u));
    let fade = exp2(most${n} - most);
    most${n} = most;
    sum${n} *= fade;
    sum${n} += subgroupShuffleXor(sum${n}, ${mask}u);
${each([v, vw], (i, j) => `    y${n}_${i}_${j} *= fade;\n    y${n}_${i}_${j} += subgroupShuffleXor(y${n}_${i}_${j}, ${mask}u);`)}
  }`);
}

function mergeSubgroupsText({ variant, subgroups, keyLanes, h, v, vw }: Lanes): string {
  const { queryHeads, shape } = variant;
  const { value: { paddedQuads } } = attentionSizes(shape);
  // [subgroups][queryHeads][paddedQuads]
  const place = (n: number, i: number, j: number) =>
    `(subgroup * ${queryHeads}u + ${n}u) * ${paddedQuads}u + (part + ${i * keyLanes}u) * ${vw.length}u + ${j}u`;
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
${each([h, v, vw], (n, i, j) => `    merged[${place(n!, i!, j!)}] = y${n}_${i}_${j} * fade${n};`)}
  }
  workgroupBarrier();`;
}
