/**
 * y = W x for several rows of x on matrix units (wgsl/subgroup-matrix.ts). A workgroup computes a tile of tileRows x tileCols results, cut
 * into equal pieces of its subgroups; along K it takes tileDepth elements at a time into workgroup memory, as halves or floats whatever
 * they were, and fetches the next ones into registers meanwhile. Same bindings as the GEMM without matrix units, but for floats that are
 * read and written four at a time: {@link takesMatrixUnits} says which shapes have whole quads.
 */
import { exceeded, kernelHeader, kernelKey, storageBuffersOf, withTextOf } from '../../kernel.ts';
import type { Kernel, KernelLimits, Workgroups } from '../../kernel.ts';
import { linearBindings, matrixRows, shapeText, STEP_STRUCT } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { endFunction } from '../../wgsl/end-function.ts';
import { expertFunctions, pairFunctions } from '../../wgsl/expert-rows.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import {
  loadMatrix, matrixArguments, matrixEnables, matrixFunctions, matrixNeeds, matrixStart, matrixTypes, multiplyMatrices, valuesOfVector,
} from '../../wgsl/subgroup-matrix.ts';
import { gemmWorkgroups, tileText } from '../gemm/tile-place.ts';
import { fetchesOfX, fetchFunction, putText, tileStruct } from '../gemm/tile-staging.ts';
import { finishFunction, inQuads, matrixEpilogueText, roundingFunctions } from './matrix-epilogue.ts';
import { matrixGeometry } from './matrix-geometry.ts';
import type { MatrixGemmVariant, MatrixGeometry } from './matrix-geometry.ts';
import { HELD, matrixStaging } from './matrix-staging.ts';
import { rowFactorsText } from './row-factors.ts';

export type { MatrixGemmVariant, MatrixTiling } from './matrix-geometry.ts';

const MEMORIES = { loaded: [HELD], stored: [HELD] };

/**
 * Whether a product's rows, columns and starts are whole quads, and whole units, and its experts all bound; others keep the tiles without
 * matrix units.
 */
export function takesMatrixUnits(shape: LinearShape): boolean {
  const { cols, parts, activation, sum, experts } = shape;
  const counts = [...parts.map(({ rows }) => rows), matrixRows(shape), activation?.times?.start ?? 0, activation?.times?.of ?? 0];
  return sum === undefined && experts?.piece === undefined && cols % 32 === 0 && counts.every((count) => count % 4 === 0);
}

/** Tiles of rows in x, of columns in y, parts of the depth in z. */
export function matrixGemmWorkgroups(variant: MatrixGemmVariant, rows: number): Workgroups {
  const [x, y] = gemmWorkgroups(variant, rows);
  return [x, y, variant.splits];
}

/** Products of what lies in the tiles. */
function multiplyText({ config, tileDepth, subgroups: [, , deep] }: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const { matricesDown, matricesAcross, rowsEach, colsEach, lineStride, tileRows } = geometry;
  const values = valuesOfVector(config);
  const stride = `${lineStride}u`;
  const chunks = tileDepth / config.k / deep;
  const deepBy = (chunks * config.k) / values;
  const chunk = (c: number) => {
    const inLine = `${(c * config.k) / values}u`;
    const x = (i: number) => ({ memory: HELD, stride, offset: `xFirst + ${i * config.m * lineStride}u + ${inLine}` });
    const w = (j: number) => ({ memory: HELD, stride, offset: `wFirst + ${j * config.n * lineStride}u + ${inLine}`, isTransposed: true });
    return `{
${unrolled(matricesDown, (i) => `let a${i} = ${loadMatrix(config, 'left', x(i), MEMORIES)};`)}
${unrolled(matricesAcross, (j) => `let b${j} = ${loadMatrix(config, 'right', w(j), MEMORIES)};
${unrolled(matricesDown, (i) => `c${i}_${j} = ${multiplyMatrices(config, `a${i}`, `b${j}`, `c${i}_${j}`)};`)}`)}
}`;
  };
  return `{
let xFirst = down * ${rowsEach * lineStride}u${deep === 1 ? '' : ` + deep * ${deepBy}u`};
let wFirst = (${tileRows}u + across * ${colsEach}u) * ${lineStride}u${deep === 1 ? '' : ` + deep * ${deepBy}u`};
${unrolled(chunks, chunk)}
}`;
}

/** The powers of two of the rows that a lane fetches, which are the same for every tile. */
function factorsOfFetches(variant: MatrixGemmVariant, geometry: MatrixGeometry): string {
  if (variant.config.input !== 'f16') return '';
  const { unitsPerLine, workgroupSize, tileRows, factorsAt } = geometry;
  return unrolled(fetchesOfX(geometry), (u) => {
    const line = `min((lane + ${u * workgroupSize}u) >> ${Math.log2(unitsPerLine)}u, ${tileRows - 1}u)`;
    return `let factor${u} = bitcast<f32>(${HELD}[${factorsAt}u + ${line}].x);`;
  });
}

function mainText(variant: MatrixGemmVariant, geometry: MatrixGeometry, put: string): string {
  const { config, subgroups: [downs, acrosses], splits } = variant;
  const { workgroupSize, steps, stepsEach, matricesDown, matricesAcross } = geometry;
  const [from, to] = splits === 1 ? ['0u', `${steps}u`] : ['firstStep', 'endStep'];
  return `@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32${matrixArguments(config)}) {
${matrixStart(config)}
${tileText(variant, workgroupSize)}
let across = subgroup % ${acrosses}u;
let down = subgroup / ${acrosses}u % ${downs}u;
let deep = subgroup / ${acrosses * downs}u;
${rowFactorsText(variant, geometry)}${factorsOfFetches(variant, geometry)}
${unrolled(matricesDown, (i) => range(matricesAcross).map((j) => `var c${i}_${j}: ${matrixTypes(config).sum};`).join(' '))}
${splits === 1 ? '' : `let firstStep = workgroup.z * ${stepsEach}u;\nlet endStep = min(firstStep + ${stepsEach}u, ${steps}u);`}
var f = fetch(${from}, lane, tile);
for (var k = ${from}; k < ${to}; k++) {
workgroupBarrier();
${put}
workgroupBarrier();
if (k + 1u < ${to}) { f = fetch(k + 1u, lane, tile); }
${multiplyText(variant, geometry)}
}
${matrixEpilogueText(variant, geometry)}
}
`;
}

function textOf(variant: MatrixGemmVariant): string {
  const { shape, config } = variant;
  const geometry = matrixGeometry(variant);
  const staging = matrixStaging(variant, geometry);
  return `${matrixEnables(config)}${STEP_STRUCT}
${kernelHeader(bindingsOf(shape), {})}
var<workgroup> ${HELD}: array<vec4<u32>, ${geometry.length}>;
${matrixFunctions(config, MEMORIES)}
${tileStruct(shape)}
${staging.declarations}
${endFunction(shape, 'vec4<f32>')}
${shape.experts ? `${expertFunctions(shape, 'several')}\n${pairFunctions(shape)}` : ''}
${roundingFunctions(shape)}${fetchFunction(geometry, staging, shape)}
${finishFunction(variant, geometry)}
${mainText(variant, geometry, putText(geometry, staging))}`;
}

const bindingsOf = (shape: LinearShape) => inQuads(linearBindings(shape, { step: true, vectorX: true }));

/** `splits` from 2 on: binding `y` is [splits, rows, width], f32, each the sums of a part of the depth. */
export function matrixGemmKernel(variant: MatrixGemmVariant): Kernel {
  const { shape, config, tileRows, tileCols, tileDepth, splits } = variant;
  const { workgroupSize } = matrixGeometry(variant);
  const types = shape.parts.map(({ type }) => type).join('+');
  return withTextOf({
    key: kernelKey('matrix-gemm', variant),
    label: `matrix-gemm ${types} ${shapeText(shape)} ${tileRows}x${tileCols}x${tileDepth}${splits > 1 ? ` / ${splits}` : ''}`,
    bindings: bindingsOf(shape),
    workgroupSize,
    needs: matrixNeeds(config),
  }, () => textOf(variant));
}

/** Whether a device has what the kernel takes; its text is not made for that. */
export function hasRoomFor(variant: MatrixGemmVariant, limits: KernelLimits): boolean {
  const { length, workgroupSize } = matrixGeometry(variant);
  const storageBuffers = storageBuffersOf({ bindings: bindingsOf(variant.shape) });
  return exceeded({ storageBuffers, workgroupBytes: 16 * length, invocations: workgroupSize }, limits).length === 0;
}
