/** Queries of a tile into workgroup memory, as matrices take them. */
import { queryScale } from '../../attention-scores.ts';
import { attentionSizes, dividedBy, headQuadAt, headSource, keptWidth, remainderOf, turnOf } from '../../attention-shape.ts';
import { inverseRms } from '../../wgsl/head-preparation.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import type { MatrixTile } from './attention-matrix-variant.ts';

/** Largest power of two of a row's queries: rotation makes them larger by the root of 2, and f16 ends at 2^16. */
const LARGEST_POWER = 10;

/**
 * Rows of q, prepared, scaled, and divided by a power of two so that the largest of a row lies near 2^9; zeros for rows that the tile
 * lacks. What a row was divided by, its unit, lies behind it. A few lanes share a row, and what each of them finds out about it lies where
 * the row will.
 */
export function matrixQueriesText(tile: MatrixTile): string {
  const { shape, invocations, allRows, queriesAt, keyStride } = tile;
  const { key: { quads } } = attentionSizes(shape);
  const elements = keyStride - 1;
  const lanes = Math.min(8, 2 ** Math.floor(Math.log2(elements)));
  const rounds = Math.ceil((allRows * lanes) / invocations);
  // What is read is not known to compilers, which would write all rounds down: kernels of a layer share a cache of instructions.
  const turns = rounds === 1 ? '1u' : `min(${rounds}u, tile.y * ${rounds}u)`;
  const hasGain = shape.q.norm && !shape.q.norm.ungained;
  return `  for (var n = 0u; n < ${turns}; n++) {
${rowText(tile, lanes)}
    if (row < ${allRows}u) {
      var squares = vec4<f32>();
      var largest = vec4<f32>();
      for (var i = 0u; i < ${Math.ceil(quads / lanes)}u; i++) {
        let quad = i * ${lanes}u + share;
        if (quad < ${quads}u) {
          let x = ${headSource(shape, 'q')}[at + quad];
          squares += x * x;
          largest = max(largest, abs(x${hasGain ? ' * qGain[quad]' : ''}));
        }
      }
      let most = max(max(largest.x, largest.y), max(largest.z, largest.w));
      staged[${queriesAt}u + row * ${keyStride}u + share] = bitcast<vec4<u32>>(vec4<f32>(dot(squares, vec4<f32>(1.0)), most, 0.0, 0.0));
    }
  }
  workgroupBarrier();
  for (var n = 0u; n < ${turns}; n++) {
${rowText(tile, lanes)}
    var squares = 0.0;
    var largest = 0.0;
    if (row < ${allRows}u) {
      for (var i = 0u; i < ${lanes}u; i++) {
        let part = bitcast<vec4<f32>>(staged[${queriesAt}u + row * ${keyStride}u + i]);
        squares += part.x;
        largest = max(largest, part.y);
      }
    }
    workgroupBarrier();
    if (row < ${allRows}u) {
      let factor = ${shape.q.norm ? inverseRms('squares', { headDim: shape.keyDim, eps: `${shape.q.norm.eps}` }) : '1.0'};
      let scale: f32 = ${queryScale(shape, '(tile.w + position)')};
      let power = clamp(frexp(largest * factor * abs(scale)).exp - ${LARGEST_POWER}, -60, 60);
      let shrunk = scale * bitcast<f32>(u32(127 - power) << 23u);
      for (var i = 0u; i < ${Math.ceil(elements / lanes)}u; i++) {
        let element = i * ${lanes}u + share;
        if (element < ${elements}u) {
${elementText(tile)}
        }
      }
      if (share == 0u) { staged[${queriesAt + elements}u + row * ${keyStride}u].x = u32(127 + power) << 23u; }
    }
  }
  workgroupBarrier();`;
}

/** The row of a lane in round `n`, its place in the tile, and its head. */
function rowText({ shape, invocations, tileRows }: MatrixTile, lanes: number): string {
  const head = `(firstHead + ${dividedBy('row', tileRows)})`;
  const at = headQuadAt(shape, { name: 'q', row: '(tile.x + min(position, tile.y - 1u))', head });
  return `    let row = ${dividedBy(`(n * ${invocations}u + lane)`, lanes)};
    let share = ${remainderOf('lane', lanes)};
    let position = ${remainderOf('row', tileRows)};
    let at = ${at};`;
}

function elementText({ shape, queriesAt, keyStride, elementValues }: MatrixTile): string {
  const quads = elementValues / 4;
  const isWhole = keptWidth(shape, shape.keyDim) === shape.keyDim;
  const quad = (i: number) => `element * ${quads}u + ${i}u`;
  const put = (i: number) => `x${i} = qQuad(at, ${quad(i)}, factor, ${turn}) * shrunk;`;
  const isThere = (i: number) => (isWhole ? put(i) : `if (${quad(i)} < ${shape.keyDim / 4}u) { ${put(i)} }`);
  const turn = turnOf(shape, 'tile.w + position', 'tile.x + position');
  const halves = range(quads).map((i) => `pack2x16float(x${i}.xy), pack2x16float(x${i}.zw)`).join(', ');
  return `${unrolled(quads, (i) => `          var x${i} = vec4<f32>();`)}
          if (position < tile.y) {
${unrolled(quads, (i) => `            ${isThere(i)}`)}
          }
          staged[${queriesAt}u + row * ${keyStride}u + element] = ${quads === 2 ? `vec4<u32>(${halves})` : 'bitcast<vec4<u32>>(x0)'};`;
}
