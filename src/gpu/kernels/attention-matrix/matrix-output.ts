/** Results of attention on matrices: no value of a matrix can be had by itself, so that they go through the memory of the scores. */
import { sinkScore } from '../../attention-scores.ts';
import { attentionSizes, dividedBy, gatedQuad } from '../../attention-shape.ts';
import { loadSum, storeMatrix } from '../../wgsl/subgroup-matrix.ts';
import type { MatrixPlace } from '../../wgsl/subgroup-matrix.ts';
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

/** Where the `i`th matrix of a group lies. */
function sumPlace({ matrix, scoreStride }: MatrixTile, i: number, r: number): MatrixPlace {
  return { memory: 'staged', offset: `atScores${r} + ${(i * matrix.n) / 4}u`, stride: `${scoreStride}u` };
}

function storeText(tile: MatrixTile, group: ColumnGroup): string {
  const { matrix, rowBlocks } = tile;
  const stores = range(rowBlocks).flatMap((r) => group.matrices.map((n, i) => storeMatrix(matrix, sumPlace(tile, i, r), `y${n}_${r}`)));
  return `    ${ofPart(tile, group)}{ ${stores.join(' ')} }\n    workgroupBarrier();`;
}

/** What has been added up fades by each row's `fade`. */
export function fadeText(tile: MatrixTile): string {
  const { matrix, tileKeys, rowLanes, rowBlocks } = tile;
  return groupsOf(tile).map((group) => {
    const loads = range(rowBlocks).flatMap((r) =>
      group.matrices.map((n, i) => `y${n}_${r} = ${loadSum(matrix, sumPlace(tile, i, r))};`));
    return `${storeText(tile, group)}
    ${ofPart(tile, group)}{
${unrolled(rowBlocks, (r) => unrolled(tileKeys / 4 / rowLanes, (i) => {
      const place = `staged[atOwn${r} + ${i}u]`;
      return `      ${place} = bitcast<vec4<u32>>(bitcast<vec4<f32>>(${place}) * fade${r});`;
    }))}
    }
    workgroupBarrier();
    ${ofPart(tile, group)}{ ${loads.join(' ')} }
    workgroupBarrier();`;
  }).join('\n');
}

export function matrixOutputText(tile: MatrixTile): string {
  const { keySplits, rowBlocks } = tile;
  return `${unrolled(rowBlocks, (r) => rowEndText(tile, r))}
${keySplits ? `${unrolled(rowBlocks, (r) => partialStats(tile, r))}\n` : ''}${groupsOf(tile).map((group) => `${storeText(tile, group)}
    ${ofPart(tile, group)}{
${unrolled(rowBlocks, (r) => lanesText(tile, group, r))}
    }
    workgroupBarrier();`).join('\n')}`;
}

/** A lane's row and its head, and the sum of its weights. */
function rowEndText({ shape, matrix, tileRows, tileHeads, keySplits }: MatrixTile, r: number): string {
  const total = matrix.emulated ? `rowTotal(weight${r}, lane)` : `rowTotal(weight${r})`;
  // Past every power of two that f32 has the sink leaves nothing of the values.
  const sink = shape.sinks && !keySplits ? ` + exp2(min(${sinkScore(`head${r}`)} - reference${r}, 127.0))` : '';
  return `  let head${r} = firstHead${tileHeads === 1 ? '' : ` + ${dividedBy(`ownRow${r}`, tileRows)}`};
  let total${r} = ${shape.dense ? `max(${total}, 1e-30)` : `${total}${sink}`};
  let row${r} = tile.x + min(ownPlace${r}, tile.y - 1u);
  let isRow${r} = ownPlace${r} < tile.y;`;
}

/** First quad of a row's partial result: attention-combine's [rows][heads][splits][partialQuads]. */
function partialAt({ shape, keySplits }: MatrixTile, r: number): string {
  return `((row${r} * ${shape.heads}u + head${r}) * ${keySplits}u + workgroup.z) * ${partialQuads(shape)}u`;
}

function partialStats(tile: MatrixTile, r: number): string {
  const { shape, valueParts } = tile;
  return `  let atPartial${r} = ${partialAt(tile, r)};
  if (isRow${r} && rowPart == 0u${valueParts === 1 ? '' : ' && valuePart == 0u'}) {
    partials[atPartial${r} + ${shape.valueDim / 4}u] = vec4<f32>(reference${r}, total${r}, 0.0, 0.0);
  }`;
}

/** What a lane makes of its columns of a group. */
function lanesText(tile: MatrixTile, group: ColumnGroup, r: number): string {
  const { shape, tileKeys, rowLanes, keySplits } = tile;
  const { value: { quads } } = attentionSizes(shape);
  if (shape.output === 'q8' && !keySplits) return blocksText(tile, group, r);
  const each = tileKeys / 4 / rowLanes;
  const isWhole = group.firstQuad + tileKeys / 4 <= quads;
  return unrolled(each, (i) => {
    const quad = `rowPart * ${each}u + ${group.firstQuad + i}u`;
    const value = `bitcast<vec4<f32>>(staged[atOwn${r} + ${i}u])`;
    const target = keySplits ? `partials[atPartial${r} + ${quad}]` : `y[(row${r} * ${shape.heads}u + head${r}) * ${quads}u + ${quad}]`;
    const result = keySplits ? value : gatedQuad(shape, `${value} / total${r}`, { row: `row${r}`, head: `head${r}`, quad: `(${quad})` });
    return `      if (isRow${r}${isWhole ? '' : ` && ${quad} < ${quads}u`}) { ${target} = ${result}; }`;
  });
}

/** The same in blocks of 16 columns, rounded. */
function blocksText(tile: MatrixTile, group: ColumnGroup, r: number): string {
  const { shape, tileKeys, rowLanes, scoresAt, scoreStride } = tile;
  const blocks = shape.valueDim / 16;
  const ofGroup = Math.min(tileKeys / 16, blocks - group.firstQuad / 4);
  return unrolled(Math.ceil(ofGroup / rowLanes), (n) => {
    const block = `(rowPart + ${n * rowLanes}u)`;
    const quad = (i: number) => {
      const value = `bitcast<vec4<f32>>(staged[${scoresAt}u + ownRow${r} * ${scoreStride}u + ${block} * 4u + ${i}u])`;
      const at = { row: `row${r}`, head: `head${r}`, quad: `(${block} * 4u + ${group.firstQuad + i}u)` };
      return gatedQuad(shape, `${value} / total${r}`, at);
    };
    return `      if (isRow${r} && ${block} < ${ofGroup}u) {
        let values = mat4x4<f32>(${range(4).map(quad).join(', ')});
        yPutCodes(row${r}, head${r} * ${blocks}u + ${block} + ${group.firstQuad / 4}u, values);
      }`;
  });
}
