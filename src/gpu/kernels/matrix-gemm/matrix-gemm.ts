/**
 * y = W x for several rows of x on matrix units (wgsl/subgroup-matrix.ts). A workgroup computes a tile of tileRows x tileCols results, cut
 * into equal pieces of its subgroups; along K it takes tileDepth elements at a time into workgroup memory, as halves or floats whatever
 * they were, and fetches the next ones into registers meanwhile. Same bindings as the GEMM without matrix units, but for floats that are
 * read and written four at a time: {@link takesMatrixUnits} says which shapes have whole quads.
 */
import { exceeded, kernelHeader, kernelKey, storageBuffersOf, withTextOf } from '../../kernel.ts';
import type { Binding, Kernel, KernelLimits, Workgroups } from '../../kernel.ts';
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
import { fetchHalvesFunction, HALVES, putHalvesText, ROW_VECTORS, rowTileAt, TILE_VECTORS, withHalves } from './ready-halves.ts';
import { rowFactorsText } from './row-factors.ts';

export type { MatrixGemmVariant, MatrixTiling } from './matrix-geometry.ts';

const memoriesOf = ({ halves }: MatrixGemmVariant) => ({ loaded: halves === 'direct' ? [HELD, HALVES] : [HELD], stored: [HELD] });

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
function multiplyText(variant: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const { shape, config, tileDepth, subgroups: [, , deep], halves } = variant;
  const memories = memoriesOf(variant);
  const { matricesDown, matricesAcross, rowsEach, colsEach, lineStride, heldRows } = geometry;
  const values = valuesOfVector(config);
  const stride = `${lineStride}u`;
  const chunks = tileDepth / config.k / deep;
  const deepBy = (chunks * config.k) / values;
  const chunk = (c: number) => {
    const inLine = `${(c * config.k) / values}u`;
    const x = (i: number) => (halves === 'direct'
      ? { memory: HALVES, stride: `${ROW_VECTORS}u`, offset: `xFirst${i} + ${c * TILE_VECTORS}u` }
      : { memory: HELD, stride, offset: `xFirst + ${i * config.m * lineStride}u + ${inLine}` });
    const w = (j: number) => ({ memory: HELD, stride, offset: `wFirst + ${j * config.n * lineStride}u + ${inLine}`, isTransposed: true });
    return `{
${unrolled(matricesDown, (i) => `let a${i} = ${loadMatrix(config, 'left', x(i), memories)};`)}
${unrolled(matricesAcross, (j) => `let b${j} = ${loadMatrix(config, 'right', w(j), memories)};
${unrolled(matricesDown, (i) => `c${i}_${j} = ${multiplyMatrices(config, `a${i}`, `b${j}`, `c${i}_${j}`)};`)}`)}
}`;
  };
  const tilesDeep = tileDepth / config.k;
  const directFirst = (i: number) => `let xFirst${i} = ${rowTileAt(shape, `down * ${matricesDown}u + ${i}u`)} + ` +
    `(k * ${tilesDeep}u${deep === 1 ? '' : ` + deep * ${chunks}u`}) * ${TILE_VECTORS}u;`;
  const xFirst = `let xFirst = down * ${rowsEach * lineStride}u${deep === 1 ? '' : ` + deep * ${deepBy}u`};`;
  return `{
${halves === 'direct' ? unrolled(matricesDown, directFirst) : xFirst}
let wFirst = (${heldRows}u + across * ${colsEach}u) * ${lineStride}u${deep === 1 ? '' : ` + deep * ${deepBy}u`};
${unrolled(chunks, chunk)}
}`;
}

/** The powers of two of the rows that a lane fetches, which are the same for every tile. */
function factorsOfFetches(variant: MatrixGemmVariant, geometry: MatrixGeometry): string {
  if (variant.config.input !== 'f16' || variant.halves) return '';
  const { unitsPerLine, workgroupSize, tileRows, factorsAt } = geometry;
  return unrolled(fetchesOfX(geometry), (u) => {
    const line = `min((lane + ${u * workgroupSize}u) >> ${Math.log2(unitsPerLine)}u, ${tileRows - 1}u)`;
    return `let factor${u} = bitcast<f32>(${HELD}[${factorsAt}u + ${line}].x);`;
  });
}

/** The first fetches: before anything else that takes time. */
function firstFetches({ halves, ahead }: MatrixGemmVariant, { from, to }: Pick<Steps, 'from' | 'to'>): string {
  const declared = (name: string, k: string) =>
    `var ${name} = fetch(${k}, lane, tile);${halves === 'held' ? `\nvar ${name}x = fetchHalves(${k}, lane, tile);` : ''}`;
  return `${declared('f', from)}${ahead ? `\n${declared('g', `min(${from} + 1u, ${to} - 1u)`)}` : ''}`;
}

/**
 * The loop over the steps `from` .. `to`. What is fetched two steps ahead goes into registers of its own, for to copy them would be to
 * wait for them.
 */
function stepsText(variant: MatrixGemmVariant, geometry: MatrixGeometry, { put, from, to }: Steps): string {
  const isHeld = variant.halves === 'held';
  const ahead = variant.ahead ?? 1;
  const fetched = (name: string, k: string) =>
    `${name} = fetch(${k}, lane, tile);${isHeld ? ` ${name}x = fetchHalves(${k}, lane, tile);` : ''}`;
  const step = (name: string) => `workgroupBarrier();
${put(name)}${isHeld ? `\n${putHalvesText(variant, geometry, `${name}x`)}` : ''}
workgroupBarrier();
if (k + ${ahead}u < ${to}) { ${fetched(name, `k + ${ahead}u`)} }
${multiplyText(variant, geometry)}`;
  if (ahead === 1) return `for (var k = ${from}; k < ${to}; k++) {
${step('f')}
}`;
  return `for (var turn = 0u; turn < (${to} - ${from} + 1u) / 2u; turn++) {
{
let k = ${from} + 2u * turn;
${step('f')}
}
if (${from} + 2u * turn + 1u < ${to}) {
let k = ${from} + 2u * turn + 1u;
${step('g')}
}
}`;
}

interface Steps {
  /** Statements that put what was fetched into a variable of a name. */
  put(name: string): string;
  /** WGSL of the first step, and of the end of them. */
  readonly from: string;
  readonly to: string;
}

function mainText(variant: MatrixGemmVariant, geometry: MatrixGeometry, put: Steps['put']): string {
  const { config, subgroups: [downs, acrosses], splits, halves } = variant;
  const { workgroupSize, steps, stepsEach, matricesDown, matricesAcross } = geometry;
  const [from, to] = splits === 1 ? ['0u', `${steps}u`] : ['firstStep', 'endStep'];
  return `@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32${matrixArguments(config)}) {
${matrixStart(config)}
${tileText(variant, workgroupSize)}
let across = subgroup % ${acrosses}u;
let down = subgroup / ${acrosses}u % ${downs}u;
let deep = subgroup / ${acrosses * downs}u;
${splits === 1 ? '' : `let firstStep = workgroup.z * ${stepsEach}u;\nlet endStep = min(firstStep + ${stepsEach}u, ${steps}u);`}
${firstFetches(variant, { from, to })}
${halves ? '' : rowFactorsText(variant, geometry)}${factorsOfFetches(variant, geometry)}
${unrolled(matricesDown, (i) => range(matricesAcross).map((j) => `var c${i}_${j}: ${matrixTypes(config).sum};`).join(' '))}
${stepsText(variant, geometry, { put, from, to })}
${matrixEpilogueText(variant, geometry)}
}
`;
}

function textOf(variant: MatrixGemmVariant): string {
  const { shape, config, halves } = variant;
  const geometry = matrixGeometry(variant);
  const staging = matrixStaging(variant, geometry, 'f');
  // Ready halves are not among the units that are unpacked.
  const unpacked = halves ? { ...geometry, tileRows: 0 } : geometry;
  const fetchX = halves === 'held' ? `\n${fetchHalvesFunction(variant, geometry)}` : '';
  const put = (name: string) => putText(unpacked, matrixStaging(variant, geometry, name));
  return `${matrixEnables(config)}${STEP_STRUCT}
${kernelHeader(bindingsOf(variant), {})}
var<workgroup> ${HELD}: array<vec4<u32>, ${geometry.length}>;
${matrixFunctions(config, memoriesOf(variant))}
${tileStruct(shape)}
${staging.declarations}
${endFunction(shape, 'vec4<f32>')}
${shape.experts ? `${expertFunctions(shape, 'several')}\n${pairFunctions(shape)}` : ''}
${roundingFunctions(shape)}${fetchFunction(unpacked, staging, shape)}${fetchX}
${finishFunction(variant, geometry)}
${mainText(variant, geometry, put)}`;
}

function bindingsOf({ shape, halves }: MatrixGemmVariant): readonly Binding[] {
  const bindings = inQuads(linearBindings(shape, { step: true, vectorX: true }));
  return halves ? withHalves(bindings) : bindings;
}

/** `splits` from 2 on: binding `y` is [splits, rows, width], f32, each the sums of a part of the depth. */
export function matrixGemmKernel(variant: MatrixGemmVariant): Kernel {
  const { shape, config, tileRows, tileCols, tileDepth, splits, halves, ahead } = variant;
  const { workgroupSize } = matrixGeometry(variant);
  const ways = `${splits > 1 ? ` / ${splits}` : ''}${halves ? ` ${halves}` : ''}${ahead ? ` ${ahead} ahead` : ''}`;
  const types = shape.parts.map(({ type }) => type).join('+');
  return withTextOf({
    key: kernelKey('matrix-gemm', variant),
    label: `matrix-gemm ${types} ${shapeText(shape)} ${tileRows}x${tileCols}x${tileDepth}${ways}`,
    bindings: bindingsOf(variant),
    workgroupSize,
    needs: matrixNeeds(config),
  }, () => textOf(variant));
}

/** Whether a device has what the kernel takes; its text is not made for that. */
export function hasRoomFor(variant: MatrixGemmVariant, limits: KernelLimits): boolean {
  const { length, workgroupSize } = matrixGeometry(variant);
  const storageBuffers = storageBuffersOf({ bindings: bindingsOf(variant) });
  return exceeded({ storageBuffers, workgroupBytes: 16 * length, invocations: workgroupSize }, limits).length === 0;
}
