/** Results of attention on matrices: no value of a matrix can be had by itself, so that they go through the memory of the scores. */
import { sinkScore } from '../../attention-scores.ts';
import { attentionSizes, dividedBy, gatedQuad } from '../../attention-shape.ts';
import { loadSum, storeMatrix } from '../../wgsl/subgroup-matrix.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import { partialQuads } from '../attention-decode/key-splits.ts';
import type { MatrixTile } from './attention-matrix-variant.ts';

/** Of a head's value: columns that fit the memory of scores at a time, the subgroup that has them, and its matrices. */
interface ColumnGroup {
  readonly firstQuad: number;
  readonly valuePart: number;
  readonly matrices: readonly number[];
}

function groupsOf({ matrix, tileKeys, valueParts, valueMatrices }: MatrixTile): readonly ColumnGroup[] {
  const each = tileKeys / matrix.n;
  return range(valueParts).flatMap((valuePart) =>
    range(Math.ceil(valueMatrices / each)).map((n) => ({
      firstQuad: ((valuePart * valueMatrices + n * each) * matrix.n) / 4,
      valuePart,
      matrices: range(valueMatrices).slice(n * each, (n + 1) * each),
    })),
  );
}

/** WGSL condition in front of what only the subgroups of a part do. */
function ofPart({ valueParts }: MatrixTile, { valuePart }: ColumnGroup): string {
  return valueParts === 1 ? '' : `if (valuePart == ${valuePart}u) `;
}

function storeText(tile: MatrixTile, group: ColumnGroup): string {
  const { matrix, scoreStride } = tile;
  const stores = group.matrices.map((n, i) =>
    storeMatrix(matrix, { memory: 'staged', offset: `atScores + ${(i * matrix.n) / 4}u`, stride: `${scoreStride}u` }, `y${n}`));
  return `    ${ofPart(tile, group)}{ ${stores.join(' ')} }\n    workgroupBarrier();`;
}

/** What has been added up fades by each row's `fade`. */
export function fadeText(tile: MatrixTile): string {
  const { matrix, tileKeys, rowLanes, scoreStride } = tile;
  return groupsOf(tile).map((group) => {
    const loads = group.matrices.map((n, i) => {
      const offset = `atScores + ${(i * matrix.n) / 4}u`;
      return `y${n} = ${loadSum(matrix, { memory: 'staged', offset, stride: `${scoreStride}u` })};`;
    });
    return `${storeText(tile, group)}
    ${ofPart(tile, group)}{
${unrolled(tileKeys / 4 / rowLanes, (i) => {
      const place = `staged[atOwn + ${i}u]`;
      return `      ${place} = bitcast<vec4<u32>>(bitcast<vec4<f32>>(${place}) * fade);`;
    })}
    }
    workgroupBarrier();
    ${ofPart(tile, group)}{ ${loads.join(' ')} }`;
  }).join('\n');
}

export function matrixOutputText(tile: MatrixTile): string {
  const { shape, matrix, tileRows, tileHeads, keySplits } = tile;
  const total = matrix.emulated ? 'rowTotal(weight, lane)' : 'rowTotal(weight)';
  // Past every power of two that f32 has the sink leaves nothing of the values.
  const sink = shape.sinks && !keySplits ? ` + exp2(min(${sinkScore('head')} - reference, 127.0))` : '';
  return `  let head = firstHead${tileHeads === 1 ? '' : ` + ${dividedBy('ownRow', tileRows)}`};
  let total = ${shape.dense ? `max(${total}, 1e-30)` : `${total}${sink}`};
  let row = tile.x + min(ownPlace, tile.y - 1u);
  let isRow = ownPlace < tile.y;
${keySplits ? partialStats(tile) : ''}${groupsOf(tile).map((group) => `${storeText(tile, group)}
    ${ofPart(tile, group)}{
${lanesText(tile, group)}
    }
    workgroupBarrier();`).join('\n')}`;
}

/** First quad of a row's partial result: attention-combine's [rows][heads][splits][partialQuads]. */
function partialAt({ shape, keySplits }: MatrixTile): string {
  return `((row * ${shape.heads}u + head) * ${keySplits}u + workgroup.z) * ${partialQuads(shape)}u`;
}

function partialStats(tile: MatrixTile): string {
  const { shape, valueParts } = tile;
  return `  let atPartial = ${partialAt(tile)};
  if (isRow && rowPart == 0u${valueParts === 1 ? '' : ' && valuePart == 0u'}) {
    partials[atPartial + ${shape.valueDim / 4}u] = vec4<f32>(reference, total, 0.0, 0.0);
  }
`;
}

/** What a lane makes of its columns of a group. */
function lanesText(tile: MatrixTile, group: ColumnGroup): string {
  const { shape, tileKeys, rowLanes, scoresAt, scoreStride, keySplits } = tile;
  const { value: { quads } } = attentionSizes(shape);
  if (shape.output === 'q8' && !keySplits) return blocksText(tile, group);
  const each = tileKeys / 4 / rowLanes;
  const isWhole = group.firstQuad + tileKeys / 4 <= quads;
  return unrolled(each, (i) => {
    const quad = `rowPart * ${each}u + ${group.firstQuad + i}u`;
    const value = `bitcast<vec4<f32>>(staged[${scoresAt}u + ownRow * ${scoreStride}u + rowPart * ${each}u + ${i}u])`;
    const target = keySplits ? `partials[atPartial + ${quad}]` : `y[(row * ${shape.heads}u + head) * ${quads}u + ${quad}]`;
    const result = keySplits ? value : gatedQuad(shape, `${value} / total`, { row: 'row', head: 'head', quad: `(${quad})` });
    return `      if (isRow${isWhole ? '' : ` && ${quad} < ${quads}u`}) { ${target} = ${result}; }`;
  });
}

/** The same in blocks of 16 columns, rounded. */
function blocksText(tile: MatrixTile, group: ColumnGroup): string {
  const { shape, tileKeys, rowLanes, scoresAt, scoreStride } = tile;
  const blocks = shape.valueDim / 16;
  const ofGroup = Math.min(tileKeys / 16, blocks - group.firstQuad / 4);
  return unrolled(Math.ceil(ofGroup / rowLanes), (n) => {
    const block = `(rowPart + ${n * rowLanes}u)`;
    const quad = (i: number) => {
      const value = `bitcast<vec4<f32>>(staged[${scoresAt}u + ownRow * ${scoreStride}u + ${block} * 4u + ${i}u])`;
      return gatedQuad(shape, `${value} / total`, { row: 'row', head: 'head', quad: `(${block} * 4u + ${group.firstQuad + i}u)` });
    };
    return `      if (isRow && ${block} < ${ofGroup}u) {
        let values = mat4x4<f32>(${range(4).map(quad).join(', ')});
        yPutCodes(row, head * ${blocks}u + ${block} + ${group.firstQuad / 4}u, values);
      }`;
  });
}
