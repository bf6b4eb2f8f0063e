/**
 * The statements of attention on matrices. A workgroup's invocations bring keys and values; a subgroup has a block of rows, or a part of
 * its keys and values' columns; a lane has a part of a row's scores. Names: `q`, `y` matrices of queries and results; `at...` places. Where
 * a subgroup has two blocks of rows, and a lane two rows, names end in which, after that of a matrix in its row.
 */
import { LOWEST_MAX, MASKED_SCORE, keysBefore, keysSeen, scoreText } from '../../attention-scores.ts';
import { attentionSizes, cacheChunk, dividedBy, kvElement, remainderOf, valuesAfterKeys } from '../../attention-shape.ts';
import { loadMatrix, matrixTypes, multiplyMatrices, storeMatrix } from '../../wgsl/subgroup-matrix.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import { lastPositionText, placeText } from '../attention-prefill/prefill-body.ts';
import type { MatrixTile } from './attention-matrix-variant.ts';
import { fadeText, matrixOutputText } from './matrix-output.ts';
import { matrixQueriesText } from './matrix-queries.ts';

const memory = 'staged';
/** One array, of which everything that matrices read and write is a part. */
export const MEMORIES = { loaded: [memory], stored: [memory] } as const;

/** By how many powers of two a row's scores may exceed its reference before what has been added up fades. */
const MOST_GROWTH = '8.0';

export function matrixBody(tile: MatrixTile): string {
  const { shape, matrix, tileKeys, valueMatrices, rowBlocks, queriesAt, keyStride, isInPlace } = tile;
  return `${shape.dense ? densePlaceText(tile) : cachedPlaceText(tile)}
  let kvHead = ${dividedBy('firstHead', attentionSizes(shape).group)};
${rangeText(tile)}
${matrixQueriesText(tile)}
${ownText(tile)}
${queryMatrices(tile)}
${unrolled(rowBlocks, (r) => `  let unit${r} = bitcast<f32>(staged[${queriesAt + keyStride - 1}u + ownRow${r} * ${keyStride}u].x);
${unrolled(valueMatrices, (i) => `  var y${i}_${r}: ${matrixTypes(matrix).sum};`)}
  var reference${r} = ${LOWEST_MAX};
  var weight${r} = 0.0;`)}
  if (lane == 0u) { atomicStore(&moved, 0u); }
  workgroupBarrier();
${heldText(tile, 'key')}
${heldText(tile, 'value')}
${fetchText(tile, 'key', 'fromTile')}
${putText(tile, 'key')}
${fetchText(tile, 'value', 'fromTile')}
${fetchText(tile, 'key', 'fromTile + 1u')}
  workgroupBarrier();
  for (var n = fromTile; n < endTile; n++) {
    let firstKey = n * ${tileKeys}u;
${scoresText(tile)}
    workgroupBarrier();
${putText(tile, 'key')}
${putText(tile, 'value')}
${unrolled(rowBlocks, (r) => weightsText(tile, r))}
${putWeightsText(tile)}
    if (workgroupUniformLoad(&moved) == n + 1u) {
${fadeText(tile)}${isInPlace ? `\n${putWeightsText(tile)}\n    workgroupBarrier();` : ''}
    }
${fetchText(tile, 'value', 'n + 1u')}
${fetchText(tile, 'key', 'n + 2u')}
${valuesText(tile)}${isInPlace ? '\n    // The next scores go where these weights lie.\n    workgroupBarrier();' : ''}
  }
${matrixOutputText(tile)}`;
}

/** The tile's rows, its first head, and the last position that they see. */
function cachedPlaceText(tile: MatrixTile): string {
  return `  // The longest tiles first: the last one of a prompt has the most keys.
${placeText(tile)}
  let firstHead = workgroup.x * ${tile.tileHeads}u;
${lastPositionText(tile)}`;
}

/** The same without sequences: rows count from 0. Workgroups beside each other have one head, so that its keys stay near. */
function densePlaceText({ tileHeads, tileRows }: MatrixTile): string {
  return `  let firstRow = workgroup.x * ${tileRows}u;
  if (firstRow >= step.rows) { return; }
  let tile = vec4<u32>(firstRow, min(${tileRows}u, step.rows - firstRow), 0u, 0u);
  let firstHead = workgroup.y * ${tileHeads}u;
  let lastPosition = max(keys.rows, 1u) - 1u;`;
}

/** Tiles of keys from which on and up to which the workgroup reads. */
function rangeText({ shape, tileKeys, keySplits }: MatrixTile): string {
  if (shape.dense) return `  let fromTile = 0u;\n  let endTile = ${dividedBy(`(keys.rows + ${tileKeys - 1}u)`, tileKeys)};`;
  const first = shape.window === undefined ? '0u' : dividedBy(`(tile.w - ${keysBefore(shape, 'tile.w')})`, tileKeys);
  const last = `${dividedBy('lastPosition', tileKeys)} + 1u`;
  if (keySplits === undefined) return `  let fromTile = ${first};\n  let endTile = ${last};`;
  return `  let firstTile = ${first};
  let allTiles = ${last};
  let splitTiles = ${dividedBy(`(allTiles - firstTile + ${keySplits - 1}u)`, keySplits)};
  let fromTile = firstTile + workgroup.z * splitTiles;
  let endTile = min(allTiles, fromTile + splitTiles);`;
}

/** What a subgroup and a lane have: a block of rows, a part of keys and values, a row and a part of its scores. */
function ownText(tile: MatrixTile): string {
  const { matrix, blocks, valueParts, tileRows, tileKeys, rowBlocks, ownRows, rowLanes, scoresAt, scoreStride } = tile;
  const inBlock = `${blocks === 1 ? '' : `block * ${ownRows}u + `}${remainderOf('member', matrix.m)}`;
  const block = valueParts === 1 ? 'subgroup' : dividedBy('subgroup', valueParts);
  return `  let block = ${block};${valueParts === 1 ? '' : `\n  let valuePart = ${remainderOf('subgroup', valueParts)};`}
  let rowPart = ${dividedBy('member', matrix.m)};
${unrolled(rowBlocks, (r) => `  let ownRow${r} = ${inBlock} + ${r * matrix.m}u;
  let ownPlace${r} = ${remainderOf(`ownRow${r}`, tileRows)};
  let ownPosition${r} = tile.w + ownPlace${r};
  let atScores${r} = ${scoresAt + r * matrix.m * scoreStride}u + block * ${ownRows * scoreStride}u;
  let atOwn${r} = ${scoresAt}u + ownRow${r} * ${scoreStride}u + rowPart * ${tileKeys / 4 / rowLanes}u;`)}`;
}

function queryMatrices({ matrix, keyMatrices, rowBlocks, ownRows, queriesAt, keyStride, elementValues }: MatrixTile): string {
  return unrolled(rowBlocks, (r) => unrolled(keyMatrices, (i) => {
    const offset = `${queriesAt + r * matrix.m * keyStride + (i * matrix.k) / elementValues}u + block * ${ownRows * keyStride}u`;
    return `  let q${i}_${r} = ${loadMatrix(matrix, 'left', { memory, offset, stride: `${keyStride}u` }, MEMORIES)};`;
  }));
}

/** Of a tile: chunks of the cache that an invocation brings, and where each lies. */
function shares({ shape, tileKeys, invocations }: MatrixTile, part: 'key' | 'value') {
  const { chunks } = attentionSizes(shape)[part];
  const total = tileKeys * chunks;
  return range(Math.ceil(total / invocations)).map((n) => {
    const i = n === 0 ? 'lane' : `(lane + ${n * invocations}u)`;
    return {
      name: `${part}${n}`, key: dividedBy(i, chunks), chunk: remainderOf(i, chunks),
      guard: (n + 1) * invocations <= total ? '' : `if (${i} < ${total}u) `,
    };
  });
}

/** The keys or values of a tile on their way into registers; past the last position they are the last one's. */
function fetchText(tile: MatrixTile, part: 'key' | 'value', number: string): string {
  const { shape, tileKeys } = tile;
  const after = part === 'key' ? '' : ` + ${valuesAfterKeys(shape)}u`;
  // Where pages are whole tiles, all of a tile is in one.
  const isInPage = !shape.dense && shape.pageTokens % tileKeys === 0;
  const fetches = shares(tile, part).map(({ name, key, chunk, guard }) => {
    const position = `min(first + ${key}, lastPosition)`;
    const at = isInPage ? `keyInPage(page, kvHead, ${position})` : `keyAt(tile.z, kvHead, ${position})`;
    return `      ${guard}{ ${name} = ${cacheChunk(shape, part, { at, chunk, plain: `kv[${at}${after} + ${chunk}]` })}; }`;
  });
  return `    {
      let first = (${number}) * ${tileKeys}u;
${isInPage ? '      let page = pageOf(tile.z, min(first, lastPosition));\n' : ''}${fetches.join('\n')}
    }`;
}

/** The registers of one tile's keys or values. */
function heldText(tile: MatrixTile, part: 'key' | 'value'): string {
  return shares(tile, part).map(({ name }) => `  var ${name} = ${kvElement(tile.shape)}();`).join('\n');
}

/** The same from registers to workgroup memory. */
function putText(tile: MatrixTile, part: 'key' | 'value'): string {
  const { shape, elementValues, keyStride, valueStride, valuesAt } = tile;
  const [stride, from] = part === 'key' ? [keyStride, ''] : [valueStride, `${valuesAt}u + `];
  return shares(tile, part).map(({ name, key, chunk, guard }) => {
    const row = `${from}${key} * ${stride}u`;
    if (elementValues === 8) return `    ${guard}{ staged[${row} + ${chunk}] = ${name}; }`;
    if (shape.kv === 'f32') return `    ${guard}{ staged[${row} + ${chunk}] = bitcast<vec4<u32>>(${name}); }`;
    return `    ${guard}{
      let at = ${row} + ${chunk} * 2u;
      staged[at] = bitcast<vec4<u32>>(kvLow(${name}));
      staged[at + 1u] = bitcast<vec4<u32>>(kvHigh(${name}));
    }`;
  }).join('\n');
}

/** Sums of scores that a subgroup makes at once, by its blocks of rows: products of one sum wait for each other. */
const SUMS_AT_ONCE = { 1: 4, 2: 2 } as const;

/** Scores of the subgroup's rows and its part of the keys. */
function scoresText(tile: MatrixTile): string {
  const { matrix, tileKeys, valueParts, rowBlocks } = tile;
  const keyBlocks = tileKeys / valueParts / matrix.n;
  const atOnce = Math.min(keyBlocks, SUMS_AT_ONCE[rowBlocks] / rowBlocks);
  return unrolled(Math.ceil(keyBlocks / atOnce), (n) => `    {
${sumsText(tile, range(keyBlocks).slice(n * atOnce, (n + 1) * atOnce))}
    }`);
}

/** Scores of the subgroup's rows and some blocks of keys, whose products take turns. */
function sumsText(tile: MatrixTile, keyBlocks: readonly number[]): string {
  const { matrix, tileKeys, valueParts, rowBlocks, keyMatrices, keyStride, elementValues, scoreStride } = tile;
  const first = valueParts === 1 ? '' : `valuePart * ${tileKeys / valueParts}u + `;
  const of = (make: (j: number, r: number) => string) => keyBlocks.map((j) => unrolled(rowBlocks, (r) => make(j, r))).join('\n');
  const steps = unrolled(keyMatrices, (i) => keyBlocks.map((j) => {
    const offset = `(${first}${j * matrix.n}u) * ${keyStride}u + ${(i * matrix.k) / elementValues}u`;
    const keys = loadMatrix(matrix, 'right', { memory, offset, stride: `${keyStride}u`, isTransposed: true }, MEMORIES);
    return `      let k${i}_${j} = ${keys};
${unrolled(rowBlocks, (r) => `      s${j}_${r} = ${multiplyMatrices(matrix, `q${i}_${r}`, `k${i}_${j}`, `s${j}_${r}`)};`)}`;
  }).join('\n'));
  return `${of((j, r) => `      var s${j}_${r} = ${matrixTypes(matrix).sum}();`)}
${steps}
${of((j, r) => {
    const offset = `atScores${r} + ${dividedBy(`(${first}${j * matrix.n}u)`, 4)}`;
    return `      ${storeMatrix(matrix, { memory, offset, stride: `${scoreStride}u` }, `s${j}_${r}`)}`;
  })}`;
}

/** Whether some row of the tile does not see some key of a tile of keys. */
function isMasked({ shape, tileRows, tileKeys }: MatrixTile): string {
  if (shape.causal === false) return shape.window === undefined ? `firstKey + ${tileKeys - 1}u > lastPosition` : 'true';
  const isAhead = `firstKey + ${tileKeys - 1}u > tile.w`;
  return shape.window === undefined ? isAhead : `${isAhead} || firstKey + ${shape.window}u < tile.w + ${tileRows}u`;
}

/** A row's scores become weights, `w`, as matrices take them. */
function weightsText(tile: MatrixTile, r: number): string {
  const { shape, matrix, tileKeys, rowLanes, elementValues } = tile;
  const quads = tileKeys / 4 / rowLanes;
  const most = range(quads).map((i) => `s${i}_${r}`).reduce((text, s) => `max(${text}, ${s})`);
  const calls = matrix.emulated ? `rowMost(most${r}, lane)` : `rowMost(most${r})`;
  const halves = (i: number) => `pack2x16float(p${i}_${r}.xy), pack2x16float(p${i}_${r}.zw)`;
  const element = (i: number) =>
    elementValues === 8 ? `vec4<u32>(${halves(2 * i)}, ${halves(2 * i + 1)})` : `bitcast<vec4<u32>>(p${i}_${r})`;
  const score = (i: number) => scoreText(shape, `bitcast<vec4<f32>>(staged[atOwn${r} + ${i}u]) * unit${r}`);
  return `${unrolled(quads, (i) => `    var s${i}_${r} = ${score(i)};`)}
    if (${isMasked(tile)}) {
${unrolled(quads, (i) => `      let keys${i} = vec4<u32>(firstKey + rowPart * ${quads * 4}u + ${4 * i}u) + vec4<u32>(0u, 1u, 2u, 3u);
      s${i}_${r} = select(vec4<f32>(${MASKED_SCORE}), s${i}_${r}, ${keysSeen(shape, `keys${i}`, `ownPosition${r}`)});`)}
    }
    let mosts${r} = ${most};
    let most${r} = max(max(mosts${r}.x, mosts${r}.y), max(mosts${r}.z, mosts${r}.w));
    let next${r} = ${calls};
    var fade${r} = 1.0;
    if (next${r} > reference${r} + ${MOST_GROWTH}) {
      if (reference${r} > ${LOWEST_MAX}) {
        fade${r} = exp2(reference${r} - next${r});
        weight${r} *= fade${r};
        atomicMax(&moved, n + 1u);
      }
      reference${r} = next${r};
    }
${unrolled(quads, (i) => `    let p${i}_${r} = exp2(s${i}_${r} - reference${r});`)}
    weight${r} += dot(${range(quads).map((i) => `p${i}_${r}`).join(' + ')}, vec4<f32>(1.0));
${unrolled((quads * 4) / elementValues, (i) => `    let w${i}_${r} = ${element(i)};`)}`;
}

/** Weights of a lane's rows into workgroup memory. */
function putWeightsText(tile: MatrixTile): string {
  const { tileKeys, rowLanes, rowBlocks, elementValues, valueParts, weightsAt, weightStride, weightShare } = tile;
  const elements = tileKeys / rowLanes / elementValues;
  return `    ${valueParts === 1 ? '' : 'if (valuePart == 0u) '}{
${unrolled(rowBlocks, (r) => unrolled(elements, (i) =>
    `      staged[${weightsAt}u + ownRow${r} * ${weightStride}u + rowPart * ${weightShare}u + ${i}u] = w${i}_${r};`))}
    }`;
}

/** Weights times values, added to the results. */
function valuesText(tile: MatrixTile): string {
  const { matrix, tileKeys, valueParts, valueMatrices, elementValues, rowBlocks, valuesAt, valueStride } = tile;
  const part = valueParts === 1 ? '' : ` + valuePart * ${(valueMatrices * matrix.n) / elementValues}u`;
  return unrolled(tileKeys / matrix.k, (k) => `    {
${unrolled(rowBlocks, (r) => `      let p${r} = ${weightMatrix(tile, k, r)};`)}
${unrolled(valueMatrices, (i) => {
    const offset = `${valuesAt + k * matrix.k * valueStride + (i * matrix.n) / elementValues}u${part}`;
    return `      let v${i} = ${loadMatrix(matrix, 'right', { memory, offset, stride: `${valueStride}u` }, MEMORIES)};
${unrolled(rowBlocks, (r) => `      y${i}_${r} = ${multiplyMatrices(matrix, `p${r}`, `v${i}`, `y${i}_${r}`)};`)}`;
  })}
    }`);
}

/** The weights of a block of rows and the `k`th matrix of keys. */
function weightMatrix(tile: MatrixTile, k: number, r: number): string {
  const { matrix, tileKeys, rowLanes, elementValues, ownRows, weightsAt, weightStride, weightShare } = tile;
  const share = tileKeys / rowLanes;
  const key = k * matrix.k;
  const inRow = Math.floor(key / share) * weightShare + (key % share) / elementValues;
  const offset = `${weightsAt + r * matrix.m * weightStride + inRow}u + block * ${ownRows * weightStride}u`;
  return loadMatrix(matrix, 'left', { memory, offset, stride: `${weightStride}u` }, MEMORIES);
}
