/**
 * The statements of attention on matrices. A workgroup's invocations bring keys and values; a subgroup has a block of rows, or a part of
 * its keys and values' columns; a lane has a part of a row's scores. Names: `q`, `y` matrices of queries and results; `at...` places.
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
  const { shape, matrix, tileKeys, valueMatrices, weightsAt, weightStride } = tile;
  return `${shape.dense ? densePlaceText(tile) : cachedPlaceText(tile)}
  let kvHead = ${dividedBy('firstHead', attentionSizes(shape).group)};
${rangeText(tile)}
${matrixQueriesText(tile)}
${ownText(tile)}
  let unit = bitcast<f32>(staged[${weightsAt}u + ownRow * ${weightStride}u].x);
${queryMatrices(tile)}
${unrolled(valueMatrices, (i) => `  var y${i}: ${matrixTypes(matrix).sum};`)}
  var reference = ${LOWEST_MAX};
  var weight = 0.0;
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
${weightsText(tile)}
    if (workgroupUniformLoad(&moved) == n + 1u) {
${fadeText(tile)}
    }
${fetchText(tile, 'value', 'n + 1u')}
${fetchText(tile, 'key', 'n + 2u')}
${valuesText(tile)}
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
function ownText({ matrix, blocks, valueParts, tileRows, tileKeys, rowLanes, scoresAt, scoreStride }: MatrixTile): string {
  const block = valueParts === 1 ? 'subgroup' : dividedBy('subgroup', valueParts);
  return `  let block = ${block};${valueParts === 1 ? '' : `\n  let valuePart = ${remainderOf('subgroup', valueParts)};`}
  let rowPart = ${dividedBy('member', matrix.m)};
  let ownRow = ${blocks === 1 ? '' : `block * ${matrix.m}u + `}${remainderOf('member', matrix.m)};
  let ownPlace = ${remainderOf('ownRow', tileRows)};
  let ownPosition = tile.w + ownPlace;
  let atScores = ${scoresAt}u + block * ${matrix.m * scoreStride}u;
  let atOwn = ${scoresAt}u + ownRow * ${scoreStride}u + rowPart * ${tileKeys / 4 / rowLanes}u;`;
}

function queryMatrices({ matrix, keyMatrices, queriesAt, keyStride, elementValues }: MatrixTile): string {
  return unrolled(keyMatrices, (i) => {
    const offset = `${queriesAt + (i * matrix.k) / elementValues}u + block * ${matrix.m * keyStride}u`;
    return `  let q${i} = ${loadMatrix(matrix, 'left', { memory, offset, stride: `${keyStride}u` }, MEMORIES)};`;
  });
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

/** Scores of a block of rows and the subgroup's part of the keys. */
function scoresText({ matrix, tileKeys, valueParts, keyMatrices, keyStride, elementValues, scoreStride }: MatrixTile): string {
  const own = tileKeys / valueParts;
  const first = valueParts === 1 ? '' : `valuePart * ${own}u + `;
  const each = unrolled(own / matrix.n, (j) => {
    const key = `(${first}${j * matrix.n}u)`;
    const steps = unrolled(keyMatrices, (i) => {
      const offset = `${key} * ${keyStride}u + ${(i * matrix.k) / elementValues}u`;
      const keys = loadMatrix(matrix, 'right', { memory, offset, stride: `${keyStride}u`, isTransposed: true }, MEMORIES);
      return `      let k${i} = ${keys};
      s = ${multiplyMatrices(matrix, `q${i}`, `k${i}`, 's')};`;
    });
    const offset = `atScores + ${dividedBy(key, 4)}`;
    return `    {
      var s = ${matrixTypes(matrix).sum}();
${steps}
      ${storeMatrix(matrix, { memory, offset, stride: `${scoreStride}u` }, 's')}
    }`;
  });
  return each;
}

/** Whether some row of the tile does not see some key of a tile of keys. */
function isMasked({ shape, tileRows, tileKeys }: MatrixTile): string {
  if (shape.causal === false) return shape.window === undefined ? `firstKey + ${tileKeys - 1}u > lastPosition` : 'true';
  const isAhead = `firstKey + ${tileKeys - 1}u > tile.w`;
  return shape.window === undefined ? isAhead : `${isAhead} || firstKey + ${shape.window}u < tile.w + ${tileRows}u`;
}

/** Scores become weights, as matrices take them. */
function weightsText(tile: MatrixTile): string {
  const { shape, matrix, tileKeys, rowLanes, elementValues, weightsAt, weightStride, valueParts } = tile;
  const quads = tileKeys / 4 / rowLanes;
  const most = range(quads).map((i) => `s${i}`).reduce((text, s) => `max(${text}, ${s})`);
  const calls = matrix.emulated ? 'rowMost(most, lane)' : 'rowMost(most)';
  const elements = (quads * 4) / elementValues;
  const element = (i: number) =>
    elementValues === 8
      ? `vec4<u32>(${[2 * i, 2 * i + 1].map((n) => `pack2x16float(p${n}.xy), pack2x16float(p${n}.zw)`).join(', ')})`
      : `bitcast<vec4<u32>>(p${i})`;
  return `${unrolled(quads, (i) => `    var s${i} = ${scoreText(shape, `bitcast<vec4<f32>>(staged[atOwn + ${i}u]) * unit`)};`)}
    if (${isMasked(tile)}) {
${unrolled(quads, (i) => `      let keys${i} = vec4<u32>(firstKey + rowPart * ${quads * 4}u + ${4 * i}u) + vec4<u32>(0u, 1u, 2u, 3u);
      s${i} = select(vec4<f32>(${MASKED_SCORE}), s${i}, ${keysSeen(shape, `keys${i}`, 'ownPosition')});`)}
    }
    let mosts = ${most};
    let most = max(max(mosts.x, mosts.y), max(mosts.z, mosts.w));
    let next = ${calls};
    var fade = 1.0;
    if (next > reference + ${MOST_GROWTH}) {
      if (reference > ${LOWEST_MAX}) {
        fade = exp2(reference - next);
        weight *= fade;
        atomicMax(&moved, n + 1u);
      }
      reference = next;
    }
${unrolled(quads, (i) => `    let p${i} = exp2(s${i} - reference);`)}
    let sums = ${range(quads).map((i) => `p${i}`).join(' + ')};
    weight += dot(sums, vec4<f32>(1.0));
    ${valueParts === 1 ? '' : 'if (valuePart == 0u) '}{
${unrolled(elements, (i) => `      staged[${weightsAt}u + ownRow * ${weightStride}u + rowPart * ${elements}u + ${i}u] = ${element(i)};`)}
    }`;
}

/** Weights times values, added to the results. */
function valuesText(tile: MatrixTile): string {
  const { matrix, tileKeys, valueParts, valueMatrices, elementValues, weightsAt, weightStride, valuesAt, valueStride } = tile;
  const part = valueParts === 1 ? '' : ` + valuePart * ${(valueMatrices * matrix.n) / elementValues}u`;
  return unrolled(tileKeys / matrix.k, (k) => {
    const weights = `${weightsAt + (k * matrix.k) / elementValues}u + block * ${matrix.m * weightStride}u`;
    return `    {
      let p = ${loadMatrix(matrix, 'left', { memory, offset: weights, stride: `${weightStride}u` }, MEMORIES)};
${unrolled(valueMatrices, (i) => {
      const offset = `${valuesAt + k * matrix.k * valueStride + (i * matrix.n) / elementValues}u${part}`;
      const values = loadMatrix(matrix, 'right', { memory, offset, stride: `${valueStride}u` }, MEMORIES);
      return `      let v${i} = ${values};
      y${i} = ${multiplyMatrices(matrix, 'p', `v${i}`, `y${i}`)};`;
    })}
    }`;
  });
}
