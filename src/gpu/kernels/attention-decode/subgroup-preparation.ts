/** What decode attention by subgroups does before it comes to the cache: queries, and the new key and value where the step brings them. */
import { LOWEST_MAX, queryScale, scoreText } from '../../attention-scores.ts';
import { attentionSizes, bringsKeys, chunkOf, headSource, turnOf } from '../../attention-shape.ts';
import { inverseRms } from '../../wgsl/head-preparation.ts';
import type { AttentionDecodeVariant } from './attention-decode-variant.ts';
import { dotText, each, quadText, reduced, upTo } from './subgroup-lanes.ts';
import type { Lanes } from './subgroup-lanes.ts';

/** Vectors of `prepared`: queries, then the new key where there is one. */
export function preparedVectors({ shape, queryHeads }: AttentionDecodeVariant): number {
  return bringsKeys(shape) ? queryHeads + 1 : queryHeads;
}

/** q of every head, scaled, and the new key as the cache will hold it, into `prepared`; a subgroup a head. */
export function prepareText(lanes: Lanes): string {
  const { variant, subgroups } = lanes;
  const { shape, queryHeads } = variant;
  const { key: { quads, paddedQuads } } = attentionSizes(shape);
  const vectors = preparedVectors(variant);
  const turn = turnOf(shape, 'position', 'row');
  const query = `qQuad(first, quad, factor, ${turn}) * ${queryScale(shape, 'position')}`;
  const [place, value] = vectors === queryHeads
    ? [`    let first = queryFrom + min(head, ${queryHeads - 1}u) * ${quads}u;`, `x = ${query};`]
    : [
        `    let isKey = head >= ${queryHeads}u;\n    let first = select(queryFrom + head * ${quads}u, keyFrom, isKey);`,
        `if (isKey) { x = kvRounded(kQuad(first, quad, factor, ${turn})); } else { x = ${query}; }`,
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
  const hasNew = bringsKeys(shape);
  if (shape.q.norm === undefined && (shape.k.norm === undefined || !hasNew)) return '    let factor = 1.0;';
  const [q, k] = [headSource(shape, 'q'), headSource(shape, 'k')];
  const isOne = q === k || !hasNew;
  const squares = eachQuad(lanes, `      if (quad < ${quads}u) {
        let x = ${isOne ? `${q}[first + quad]` : `select(${q}[select(first, queryFrom, isKey) + quad], ${k}[keyFrom + quad], isKey)`};
        squares += dot(x, x);
      }`);
  const [qEps, kEps] = [shape.q.norm?.eps ?? 0, shape.k.norm?.eps ?? 0];
  const eps = qEps === kEps || !hasNew ? `${qEps}` : `select(${qEps}, ${kEps}, isKey)`;
  return `    var squares = 0.0;
${squares}
    let sum = subgroupAdd(squares);
    let factor = ${inverseRms('sum', { headDim: shape.keyDim, eps })};`;
}

/** The new value, which waits for nothing that the other heads' preparation waits for. */
export function newValueText(lanes: Lanes): string {
  const { variant: { shape }, v, vw } = lanes;
  const { value: { quads, paddedQuads } } = attentionSizes(shape);
  const quad = quadText(lanes, 'value');
  const source = (i: number, j: number) => `${headSource(shape, 'v')}[valueFrom + ${quad(i, j)}]`;
  const [before, value] = shape.v
    ? [`${valueFactorText(lanes, source)}\n`, (i: number, j: number) => `kvRounded(vQuad(valueFrom, ${quad(i, j)}, valueFactor, position))`]
    : ['', (i: number, j: number) => `kvRounded(${source(i, j)})`];
  return before + each([v, vw], (i, j) =>
    paddedQuads === quads
      ? `  let value${i}_${j} = ${value(i!, j!)};`
      : `  var value${i}_${j} = vec4<f32>();\n  if (${quad(i!, j!)} < ${quads}u) { value${i}_${j} = ${value(i!, j!)}; }`,
  );
}

/** `valueFactor`: 1 / rms of the new value, summed by the lanes that hold it. */
function valueFactorText(lanes: Lanes, source: (i: number, j: number) => string): string {
  const { variant: { shape }, keyLanes, v, vw } = lanes;
  const { value: { quads } } = attentionSizes(shape);
  const quad = quadText(lanes, 'value');
  const add = each([v, vw], (i, j) => `  if (${quad(i!, j!)} < ${quads}u) {
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
  const { variant: { shape }, h, c, kw } = lanes;
  const { key: { paddedQuads } } = attentionSizes(shape);
  const quad = quadText(lanes, 'key');
  return each([h, c, kw], (n, i, j) => `  let q${n}_${i}_${j} = prepared[${n! * paddedQuads}u + ${quad(i!, j!)}];`);
}

/** The softmax of every set of lanes begins empty. */
export function emptyText(lanes: Lanes): string {
  const { h, v, vw } = lanes;
  return `${queriesText(lanes)}
${each([h], (n) => `  var most${n} = ${LOWEST_MAX};\n  var sum${n} = 0.0;`)}
${each([h, v, vw], (n, i, j) => `  var y${n}_${i}_${j} = vec4<f32>();`)}`;
}

/** The new key is where the softmax of the first set of lanes begins, all others begin empty. And it goes to the cache. */
export function newKeyText(lanes: Lanes): string {
  const { variant: { shape, queryHeads }, keyLanes, h, c, v, kw, vw } = lanes;
  const { key: { paddedQuads } } = attentionSizes(shape);
  const quad = quadText(lanes, 'key');
  return `  let ownsNew = hasNew && slot == 0u;
${queriesText(lanes)}
${each([c, kw], (i, j) => `  let key${i}_${j} = prepared[${queryHeads * paddedQuads}u + ${quad(i!, j!)}];`)}
${each([h], (n) => `  var new${n} = ${dotText(lanes, n!, (i, j) => `key${i}_${j}`)};
  ${reduced(`new${n}`, keyLanes)}
  var most${n} = select(${LOWEST_MAX}, ${scoreText(shape, `new${n}`)}, ownsNew);
  var sum${n} = select(0.0, 1.0, ownsNew);`)}
${each([h, v, vw], (n, i, j) => `  var y${n}_${i}_${j} = select(vec4<f32>(), value${i}_${j}, ownsNew);`)}
  if (writesCache && slot == 0u) {
    let at = keyAt(sequence, kvHead, position) + part;
${each([upTo(Math.max(c.length, v.length))], (i) => cacheStores(lanes, i!))}
  }`;
}

/** A lane's chunk `i` of the new key and of the new value to the cache, where it has one. */
function cacheStores({ variant: { shape }, keyLanes, c, v, kw }: Lanes, i: number): string {
  const chunk = (name: string) => chunkOf(shape, kw.map((j) => `${name}${i}_${j}`));
  return [
    ...(i < c.length ? [`    kv[at + ${i * keyLanes}u] = ${chunk('key')};`] : []),
    ...(i < v.length ? [`    kv[at + valueOffset + ${i * keyLanes}u] = ${chunk('value')};`] : []),
  ].join('\n');
}
