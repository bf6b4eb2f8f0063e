/** The statements of attention-prefill. Names: `r` rows of an invocation, `j` its keys, `c` its chunks of values, `w` quads of a chunk. */
import { LOWEST_MAX, MASKED_SCORE, keysBefore, keySeen, queryScale, scoreText, sinkScore } from '../../attention-scores.ts';
import {
  attentionSizes,
  cacheChunk,
  chunkQuads,
  dividedBy,
  gatedQuad,
  hasCodes,
  headQuadAt,
  remainderOf,
  turnOf,
  valuesAfterKeys,
} from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import type { PrefillTile } from './attention-prefill-variant.ts';

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
const lines = (indices: readonly number[], text: (i: number) => string): string => indices.map(text).join('\n');
const ROWS = upTo(4);
const LANES = ['x', 'y', 'z', 'w'] as const;

/** How a kernel's tiles of rows lie in those that the host lists. */
type ListedTile = Pick<PrefillTile, 'shape' | 'tileRows' | 'listedRows'>;

export function prefillBody(tile: PrefillTile): string {
  const { shape, tileKeys, rowGroups, columns } = tile;
  const { group, value, quadsOfChunk } = attentionSizes(shape);
  const c = upTo(Math.ceil(value.chunks / columns));
  const w = upTo(quadsOfChunk);
  const firstTile = shape.window === undefined ? '0u' : dividedBy(`(tile.w - ${keysBefore(shape, 'tile.w')})`, tileKeys);
  return `  // The longest tiles first: the last one of a prompt has the most keys.
${placeText(tile)}
  let head = workgroup.x;
  let kvHead = ${dividedBy('head', group)};
${lastPositionText(tile)}
  let rowGroup = ${dividedBy('lane', columns)};
  let column = ${remainderOf('lane', columns)};
${queriesText(tile)}
  var most = vec4<f32>(${shape.sinks ? sinkScore('head') : LOWEST_MAX});
  var weight = vec4<f32>(${shape.sinks ? '1.0' : ''});
${lines(ROWS, (r) => lines(c, (n) => w.map((i) => `  var y${r}_${n}_${i} = vec4<f32>();`).join('\n')))}
  let keyTiles = ${dividedBy('lastPosition', tileKeys)} + 1u;
  for (var n = ${firstTile}; n < keyTiles; n++) {
    let firstKey = n * ${tileKeys}u;
${tile.unstaged ? '' : `${stageText(tile, 'key')}\n    workgroupBarrier();\n`}${scoresText(tile)}
    maxima[column * ${rowGroups}u + rowGroup] = own;
    workgroupBarrier();
${tile.unstaged ? '' : `${stageText(tile, 'value')}\n`}${weightsText(tile)}
    workgroupBarrier();
${valuesText(tile, c)}
    workgroupBarrier();
  }
${outputText(tile, c)}`;
}

/** Which tile is the workgroup's: one of the host's, or its part of one whose rows are a multiple of the kernel's. */
export function placeText({ tileRows, listedRows = tileRows }: ListedTile): string {
  if (listedRows === tileRows) return '  let tile = tiles[workgroups.y - 1u - workgroup.y];';
  const parts = listedRows / tileRows;
  return `  let listed = tiles[(workgroups.y - 1u - workgroup.y) / ${parts}u];
  let skipped = ((workgroups.y - 1u - workgroup.y) % ${parts}u) * ${tileRows}u;
  if (skipped >= listed.y) { return; }
  let tile = vec4<u32>(listed.x + skipped, min(listed.y - skipped, ${tileRows}u), listed.z, listed.w + skipped);`;
}

/**
 * The last position that rows of the tile see: the last row's own, or without causality the last of the sequence's last tile, or of the
 * last row's window.
 */
export function lastPositionText({ shape, tileRows, listedRows = tileRows }: ListedTile): string {
  const parts = listedRows / tileRows;
  const [first, end] =
    parts === 1
      ? ['workgroups.y - workgroup.y', 'workgroups.y']
      : [`(workgroups.y - 1u - workgroup.y) / ${parts}u`, `workgroups.y / ${parts}u`];
  if (shape.causal !== false) return '  let lastPosition = tile.w + tile.y - 1u;';
  return `  var lastPosition = tile.w + tile.y - 1u;
  for (var n = ${first}; n < ${end}; n++) {
    if (tiles[n].z == tile.z) { lastPosition = tiles[n].w + tiles[n].y - 1u; }
  }${shape.window === undefined ? '' : `\n  lastPosition = min(lastPosition, tile.w + tile.y - 1u + ${Math.floor(shape.window / 2)}u);`}`;
}

/** Rows of q, prepared and scaled, zeros for rows that the tile lacks. */
function queriesText({ shape, tileRows, invocations, rowQuads }: PrefillTile): string {
  const { key: { quads, paddedQuads } } = attentionSizes(shape);
  // Of a row of `queries` [tileRows][rowQuads], where q ends before it.
  const place = rowQuads === paddedQuads ? 'i' : `row * ${rowQuads}u + quad`;
  const clamped = headQuadAt(shape, { name: 'q', row: '(tile.x + min(row, tile.y - 1u))', head: 'head' });
  const total = tileRows * paddedQuads;
  const source = headQuadAt(shape, { name: 'q', row: '(tile.x + row)', head: 'head' });
  const inTile = paddedQuads === quads ? 'row < tile.y' : `row < tile.y && quad < ${quads}u`;
  // Factors wait in the memory of the weights, which is larger, until these are needed.
  const factors = `  for (var n = 0u; n < ${Math.ceil(tileRows / invocations)}u; n++) {
    let row = n * ${invocations}u + lane;
    if (row < ${tileRows}u) { weights[row] = vec4<f32>(qFactor(${clamped})); }
  }
  workgroupBarrier();
`;
  const turn = turnOf(shape, 'tile.w + row', 'tile.x + row');
  const query = `qQuad(${source}, quad, ${shape.q.norm ? 'weights[row].x' : '1.0'}, ${turn}) * ${queryScale(shape, '(tile.w + row)')}`;
  return `${shape.q.norm ? factors : ''}  for (var n = 0u; n < ${Math.ceil(total / invocations)}u; n++) {
    let i = n * ${invocations}u + lane;
    let row = ${dividedBy('i', paddedQuads)};
    let quad = ${remainderOf('i', paddedQuads)};
    var x = vec4<f32>();
    if (${inTile}) { x = ${query}; }
    if (i < ${total}u) { queries[${place}] = x; }
  }
  workgroupBarrier();`;
}

/**
 * WGSL expression of the place in the cache of a tile's key (an expression), or of its value, which with codes is the key's; past the last
 * row's it is the last row's.
 */
function cacheAt(shape: AttentionShape, part: 'key' | 'value', key: string): string {
  const at = `keyAt(tile.z, kvHead, min(firstKey + ${key}, lastPosition))`;
  return hasCodes(shape) ? at : `${at} + ${part === 'key' ? 0 : valuesAfterKeys(shape)}u`;
}

function chunkAt(shape: AttentionShape, part: 'key' | 'value', at: string, chunk: string): string {
  return cacheChunk(shape, part, { at, chunk, plain: `kv[${at} + ${chunk}]` });
}

/** Keys or values of a tile into `stored` [tileKeys][stride]. */
function stageText({ shape, tileKeys, stride, invocations }: PrefillTile, part: 'key' | 'value'): string {
  const { chunks } = attentionSizes(shape)[part];
  const total = tileKeys * chunks;
  const guard = total % invocations === 0 ? '' : `if (i < ${total}u) `;
  return `    for (var n = 0u; n < ${Math.ceil(total / invocations)}u; n++) {
      let i = n * ${invocations}u + lane;
      let key = ${dividedBy('i', chunks)};
      let chunk = ${remainderOf('i', chunks)};
      ${guard}{ stored[key * ${stride}u + chunk] = ${chunkAt(shape, part, cacheAt(shape, part, 'key'), 'chunk')}; }
    }`;
}

/** Scores of four rows and every columns-th key, and of each row the largest, in `own`. */
function scoresText({ shape, tileKeys, stride, columns, rowQuads, unstaged }: PrefillTile): string {
  const { key: { chunks }, quadsOfChunk } = attentionSizes(shape);
  const j = upTo(tileKeys / columns);
  const w = upTo(quadsOfChunk);
  const key = (n: number) => `column + ${n * columns}u`;
  const isSeen = (n: number) => keySeen(shape, `firstKey + ${key(n)}`);
  // [tileRows][rowQuads]
  const query = (r: number, i: number) => `queries[(rowGroup * 4u + ${r}u) * ${rowQuads}u + chunk * ${quadsOfChunk}u + ${i}u]`;
  const places = unstaged ? `${lines(j, (n) => `    let at${n} = ${cacheAt(shape, 'key', key(n))};`)}\n` : '';
  const stored = (n: number) => (unstaged ? chunkAt(shape, 'key', `at${n}`, 'chunk') : `stored[(${key(n)}) * ${stride}u + chunk]`);
  return `${places}${lines(j, (n) => `    var s${n} = vec4<f32>();`)}
    for (var chunk = 0u; chunk < ${chunks}u; chunk++) {
${lines(ROWS, (r) => w.map((i) => `      let q${r}_${i} = ${query(r, i)};`).join('\n'))}
${lines(j, (n) => `      let k${n} = ${stored(n)};
${chunkQuads(shape, `k${n}`).map((quad, i) => `      let k${n}_${i} = ${quad};`).join('\n')}
      s${n} += vec4<f32>(${ROWS.map((r) => w.map((i) => `dot(q${r}_${i}, k${n}_${i})`).join(' + ')).join(', ')});`)}
    }
    let positions = vec4<u32>(tile.w + rowGroup * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
${lines(j, (n) => `    s${n} = select(vec4<f32>(${MASKED_SCORE}), ${scoreText(shape, `s${n}`)}, ${isSeen(n)});`)}
    let own = ${j.reduce((text, n) => (n === 0 ? 's0' : `max(${text}, s${n})`), '')};`;
}

/** The running maxima move, what has been added up fades, and scores become weights for all invocations of these rows. */
function weightsText({ tileKeys, rowGroups, columns }: PrefillTile): string {
  return `    var next = most;
    for (var i = 0u; i < ${columns}u; i++) { next = max(next, maxima[i * ${rowGroups}u + rowGroup]); }
    let fade = exp2(most - next);
    most = next;
    weight *= fade;
${lines(upTo(tileKeys / columns), (n) => `    weights[(column + ${n * columns}u) * ${rowGroups}u + rowGroup] = exp2(s${n} - most);`)}`;
}

/** Chunk `n` of an invocation, kept inside the head. */
function ownChunk({ shape, columns }: PrefillTile, n: number): string {
  const { value: { chunks } } = attentionSizes(shape);
  const chunk = `column + ${n * columns}u`;
  return (n + 1) * columns <= chunks ? `(${chunk})` : `min(${chunk}, ${chunks - 1}u)`;
}

function valuesText(tile: PrefillTile, c: readonly number[]): string {
  const { shape, tileKeys, rowGroups, stride, unstaged } = tile;
  const w = upTo(attentionSizes(shape).quadsOfChunk);
  const place = unstaged ? `\n      let at = ${cacheAt(shape, 'value', 'key')};` : '';
  const stored = (n: number) => {
    const chunk = ownChunk(tile, n);
    return unstaged ? chunkAt(shape, 'value', 'at', chunk) : `stored[key * ${stride}u + ${chunk}]`;
  };
  return `${lines(ROWS, (r) => lines(c, (n) => w.map((i) => `    y${r}_${n}_${i} *= fade.${LANES[r]};`).join('\n')))}
    for (var key = 0u; key < ${tileKeys}u; key++) {${place}
      let p = weights[key * ${rowGroups}u + rowGroup];
      weight += p;
${lines(c, (n) => `      let v${n} = ${stored(n)};
${chunkQuads(shape, `v${n}`).map((quad, i) => `      let v${n}_${i} = ${quad};`).join('\n')}
${lines(ROWS, (r) => w.map((i) => `      y${r}_${n}_${i} += p.${LANES[r]} * v${n}_${i};`).join('\n'))}`)}
    }`;
}

function outputText(tile: PrefillTile, c: readonly number[]): string {
  const { shape, tileRows, invocations, columns, rowQuads } = tile;
  const { value: { quads, chunks, paddedQuads }, quadsOfChunk } = attentionSizes(shape);
  const isRounded = shape.output === 'q8';
  const store = (r: number, n: number, i: number) => {
    const quad = `(column + ${n * columns}u) * ${quadsOfChunk}u + ${i}u`;
    const row = `(tile.x + min(rowGroup * 4u + ${r}u, tile.y - 1u))`;
    const value = gatedQuad(shape, `y${r}_${n}_${i} / weight.${LANES[r]}`, { row, head: 'head', quad });
    const target = isRounded
      ? `queries[(rowGroup * 4u + ${r}u) * ${rowQuads}u + ${quad}]`
      : `y[((tile.x + rowGroup * 4u + ${r}u) * ${shape.heads}u + head) * ${quads}u + ${quad}]`;
    const needsGuard = (n + 1) * columns > chunks || paddedQuads > quads;
    const guards = [...(isRounded ? [] : [`rowGroup * 4u + ${r}u < tile.y`]), ...(needsGuard ? [`${quad} < ${quads}u`] : [])];
    return guards.length === 0 ? `  ${target} = ${value};` : `  if (${guards.join(' && ')}) { ${target} = ${value}; }`;
  };
  const stores = lines(ROWS, (r) => lines(c, (n) => upTo(quadsOfChunk).map((i) => store(r, n, i)).join('\n')));
  if (!isRounded) return stores;
  const blocks = shape.valueDim / 16;
  const total = tileRows * blocks;
  const quadsOfBlock = ['first', 'first + 1u', 'first + 2u', 'first + 3u'].map((at) => `queries[${at}]`).join(', ');
  return `${stores}
  workgroupBarrier();
  for (var n = 0u; n < ${Math.ceil(total / invocations)}u; n++) {
    let i = n * ${invocations}u + lane;
    let row = ${dividedBy('i', blocks)};
    let block = ${remainderOf('i', blocks)};
    if (row < tile.y && i < ${total}u) {
      let first = row * ${rowQuads}u + block * 4u;
      yPutCodes(tile.x + row, head * ${blocks}u + block, mat4x4<f32>(${quadsOfBlock}));
    }
  }`;
}
