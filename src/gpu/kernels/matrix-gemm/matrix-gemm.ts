/**
 * y = W x for several rows of x on matrix units (wgsl/subgroup-matrix.ts). A workgroup computes a tile of tileRows x tileCols results, cut
 * into equal pieces of its subgroups; along K it takes tileDepth elements at a time into workgroup memory, as halves or floats whatever
 * they were, and fetches the next ones into registers meanwhile, those of one step or of several. Same bindings as the GEMM without
 * matrix units, but for floats that are read and written four at a time: {@link takesMatrixUnits} says which shapes have whole quads.
 */
import { exceeded, kernelHeader, kernelKey, storageBuffersOf, withTextOf } from '../../kernel.ts';
import type { Binding, Kernel, KernelLimits, Workgroups } from '../../kernel.ts';
import { linearBindings, matrixRows, shapeText, STEP_STRUCT } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { packedFormatOf } from '../../packed-layout.ts';
import { endFunction } from '../../wgsl/end-function.ts';
import { expertFunctions, pairFunctions } from '../../wgsl/expert-rows.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import {
  loadMatrix, matrixArguments, matrixEnables, matrixFunctions, matrixNeeds, matrixStart, matrixTypes, multiplyMatrices, valuesOfVector,
} from '../../wgsl/subgroup-matrix.ts';
import { gemmWorkgroups, tileText } from '../gemm/tile-place.ts';
import { tileStruct } from '../gemm/tile-staging.ts';
import { finishFunction, inQuads, matrixEpilogueText, roundingFunctions } from './matrix-epilogue.ts';
import { isInParts, matrixGeometry } from './matrix-geometry.ts';
import type { MatrixGemmVariant, MatrixGeometry } from './matrix-geometry.ts';
import { areSizesBound, SIZES_BINDING, SIZES_STRUCT, sizesOf, textVariant, wordsOf } from './matrix-sizes.ts';
import { fetchWeightsFunction, HELD, putWeightsText, weightFunctions } from './matrix-staging.ts';
import { HALVES, ROW_VECTORS, rowTileAt, TILE_VECTORS, withHalves } from './ready-halves.ts';
import { rowFactorsText } from './row-factors.ts';
import { factorsOfRows, fetchRowsFunction, putRowsText, xFormOf } from './row-staging.ts';
import { unitForm, unitFunctions } from './unit-values.ts';
import type { UnitForm } from './unit-values.ts';

export type { MatrixGemmVariant, MatrixTiling } from './matrix-geometry.ts';

const memoriesOf = ({ areHalvesReady }: MatrixGemmVariant) => ({ loaded: areHalvesReady ? [HELD, HALVES] : [HELD], stored: [HELD] });

/**
 * Whether a product's rows, columns and starts are whole quads, and whole units, and its experts all bound; others keep the tiles without
 * matrix units.
 */
export function takesMatrixUnits(shape: LinearShape): boolean {
  const { cols, parts, activation, sum, within, experts } = shape;
  const counts = [...parts.map(({ rows }) => rows), matrixRows(shape), activation?.times?.start ?? 0, activation?.times?.of ?? 0];
  const isPart = within !== undefined || experts?.piece !== undefined;
  return sum === undefined && !isPart && cols % 32 === 0 && counts.every((count) => count % 4 === 0);
}

/** Tiles of rows in x, of columns in y, parts of the depth in z. */
export function matrixGemmWorkgroups(variant: MatrixGemmVariant, rows: number): Workgroups {
  const [x, y] = gemmWorkgroups(variant, rows);
  return [x, y, variant.splits];
}

/** Matrices of x that a subgroup may load before it waits for the tile: more would take registers that the products need. */
const MOST_EARLY = 8;

/** Statements of the products of what lies in the tiles, and of what they load before the tile of W is there: x that lies ready. */
function multiplyTexts(variant: MatrixGemmVariant, geometry: MatrixGeometry): { readonly before: string; readonly products: string } {
  const { config, tileDepth, subgroups: [, , deep], areHalvesReady } = variant;
  const memories = memoriesOf(variant);
  const { matricesDown, matricesAcross, rowsEach, colsEach, lineStride, heldRows } = geometry;
  const values = valuesOfVector(config);
  const stride = `${lineStride}u`;
  const chunks = tileDepth / config.k / deep;
  const deepBy = (chunks * config.k) / values;
  const inLine = (c: number) => `${(c * config.k) / values}u`;
  const x = (i: number, c: number) => (areHalvesReady
    ? { memory: HALVES, stride: `${ROW_VECTORS}u`, offset: `xFirst${i} + ${c * TILE_VECTORS}u` }
    : { memory: HELD, stride, offset: `xFirst + ${i * config.m * lineStride}u + ${inLine(c)}` });
  const w = (j: number, c: number) =>
    ({ memory: HELD, stride, offset: `wFirst + ${j * config.n * lineStride}u + ${inLine(c)}`, isTransposed: true });
  const loadX = (c: number) =>
    unrolled(matricesDown, (i) => `let a${i}_${c} = ${loadMatrix(config, 'left', x(i, c), memories)};`);
  const isEarly = areHalvesReady && matricesDown * chunks <= MOST_EARLY;
  const chunk = (c: number) => `{
${isEarly ? '' : loadX(c)}
${unrolled(matricesAcross, (j) => `let b${j} = ${loadMatrix(config, 'right', w(j, c), memories)};
${unrolled(matricesDown, (i) => `c${i}_${j} = ${multiplyMatrices(config, `a${i}_${c}`, `b${j}`, `c${i}_${j}`)};`)}`)}
}`;
  const tilesDeep = tileDepth / config.k;
  const directFirst = (i: number) => `let xFirst${i} = ${rowTileAt(sizesOf(variant, geometry), `down * ${matricesDown}u + ${i}u`)} + ` +
    `(k * ${tilesDeep}u${deep === 1 ? '' : ` + deep * ${chunks}u`}) * ${TILE_VECTORS}u;`;
  const deepFirst = deep === 1 ? '' : ` + deep * ${deepBy}u`;
  const first = areHalvesReady ? unrolled(matricesDown, directFirst) : `let xFirst = down * ${rowsEach * lineStride}u${deepFirst};`;
  return {
    before: isEarly ? `${first}\n${unrolled(chunks, loadX)}` : '',
    products: `{
${isEarly ? '' : first}
let wFirst = (${heldRows}u + across * ${colsEach}u) * ${lineStride}u${deepFirst};
${unrolled(chunks, chunk)}
}`,
  };
}

/** Names of what a lane fetches of step `i` of a burst. */
const namesOf = (i: number) => ({ w: `w${i}`, x: `x${i}` });

/** WGSL of the first step of the workgroup's burst `turn`: parts of the depth take turns, so that together they read on where they are. */
const firstStep = (variant: MatrixGemmVariant, geometry: MatrixGeometry, turn: string) =>
  `(${isInParts(variant) ? `workgroup.z + ${turn} * ${sizesOf(variant, geometry).splits}` : turn}) * ${variant.burst}u`;

/** Statements that fetch the burst whose first step is `first`. */
function fetchText(variant: MatrixGemmVariant, geometry: MatrixGeometry, first: string, declare = ''): string {
  const { burst, areHalvesReady } = variant;
  return unrolled(burst, (i) => {
    const { w, x } = namesOf(i);
    const k = burst === 1 ? first : `min(${first} + ${i}u, ${sizesOf(variant, geometry).steps} - 1u)`;
    return `${declare}${w} = fetch(${k}, lane, tile);${areHalvesReady ? '' : ` ${declare}${x} = fetchRows(${k}, lane, tile);`}`;
  });
}

/** Statements in the braces of a condition that is always true where `isAlways`. */
const onlyIf = (isAlways: boolean, condition: string, text: string) => `${isAlways ? '' : `if (${condition}) `}{\n${text}\n}`;

/** The loop over the workgroup's bursts. The next one is fetched when the last step of one has left the registers. */
function stepsText(variant: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const { burst, splits, areHalvesReady } = variant;
  const { before, products } = multiplyTexts(variant, geometry);
  const sizes = sizesOf(variant, geometry);
  const next = `first + ${burst}u${isInParts(variant) ? ` * ${sizes.splits}` : ''}`;
  const areWhole = areSizesBound(variant) ? !isInParts(variant) : geometry.bursts % splits === 0;
  const step = (i: number) => {
    const { w, x } = namesOf(i);
    return onlyIf(i === 0 || geometry.isEven, `first + ${i}u < ${sizes.steps}`, `let k = first + ${i}u;
${before}
workgroupBarrier();
${putWeightsText(variant, geometry, w)}${areHalvesReady ? '' : `\n${putRowsText(variant, geometry, x)}`}
workgroupBarrier();
${i < burst - 1 ? '' : `if (${next} < ${sizes.steps}) {\n${fetchText(variant, geometry, next)}\n}`}
${products}`);
  };
  return `for (var turn = 0u; turn < ${sizes.turns}; turn++) {
let first = ${firstStep(variant, geometry, 'turn')};
${onlyIf(areWhole, `first < ${sizes.steps}`, unrolled(burst, step))}
}`;
}

/** What a workgroup does with its tile. */
function tileSteps(variant: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const { config, areHalvesReady } = variant;
  const { matricesDown, matricesAcross, workgroupSize } = geometry;
  const factors = areHalvesReady ? '' : `${rowFactorsText(variant, geometry)}${factorsOfRows(variant, geometry)}`;
  const { sum } = matrixTypes(config);
  const sums = unrolled(matricesDown, (i) => range(matricesAcross).map((j) => `var c${i}_${j}: ${sum};`).join(' '));
  return `${tileText(variant, workgroupSize, areSizesBound(variant) ? 'sizes.rows' : undefined)}
let part = workgroup.z;
${fetchText(variant, geometry, firstStep(variant, geometry, '0u'), 'var ')}
${factors}
${sums}
${stepsText(variant, geometry)}
${matrixEpilogueText(variant, geometry)}`;
}

function mainText(variant: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const { config, subgroups: [downs, acrosses] } = variant;
  const { workgroupSize } = geometry;
  return `@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32${matrixArguments(config)}) {
${matrixStart(config)}
let across = subgroup % ${acrosses}u;
let down = subgroup / ${acrosses}u % ${downs}u;
let deep = subgroup / ${acrosses * downs}u;
${tileSteps(variant, geometry)}
}
`;
}

function textOf(variant: MatrixGemmVariant): string {
  const { shape, config, areHalvesReady } = variant;
  const { parts, experts } = shape;
  const geometry = matrixGeometry(variant);
  const forms: readonly UnitForm[] = [...(areHalvesReady ? [] : [xFormOf(shape)]), ...parts.map(unitForm)];
  const hasMinimum = parts.map(({ type }) => packedFormatOf(type)).some((format) => format.kind === 'blocks' && format.hasMinimum);
  return `${matrixEnables(config)}${STEP_STRUCT}${areSizesBound(variant) ? `\n${SIZES_STRUCT}` : ''}
${kernelHeader(bindingsOf(variant), {})}
var<workgroup> ${HELD}: array<vec4<u32>, ${geometry.length}>;
${matrixFunctions(config, memoriesOf(variant))}
${tileStruct(shape)}
${unitFunctions(config, forms, hasMinimum)}
${weightFunctions(variant)}
${endFunction(shape, 'vec4<f32>')}
${experts ? `${expertFunctions(shape, 'several')}\n${pairFunctions(shape)}` : ''}
${roundingFunctions(shape)}${fetchWeightsFunction(variant, geometry)}${areHalvesReady ? '' : `\n${fetchRowsFunction(variant, geometry)}`}
${finishFunction(variant, geometry)}
${mainText(variant, geometry)}`;
}

function bindingsOf(variant: MatrixGemmVariant): readonly Binding[] {
  const bindings = inQuads(linearBindings(variant.shape, { step: true, vectorX: true }));
  const all = areSizesBound(variant) ? [...bindings, SIZES_BINDING] : bindings;
  return variant.areHalvesReady ? withHalves(all) : all;
}

/** `splits` from 2 on: binding `y` is [splits, rows, width], f32, each the sums of a part of the depth. */
export function matrixGemmKernel(variant: MatrixGemmVariant): Kernel {
  const { shape, config, tileRows, tileCols, tileDepth, splits, areHalvesReady, burst } = variant;
  const geometry = matrixGeometry(variant);
  const parts = splits > 1 ? ` / ${splits}` : '';
  const ways = `${parts}${areHalvesReady ? ' of halves' : ''}${burst === 1 ? '' : ` by ${burst}`}`;
  const types = shape.parts.map(({ type }) => type).join('+');
  return withTextOf({
    key: kernelKey('matrix-gemm', textVariant(variant, geometry)),
    label: `matrix-gemm ${types} ${shapeText(shape)} ${tileRows}x${tileCols}x${tileDepth}${ways}`,
    bindings: bindingsOf(variant),
    sizes: wordsOf(variant, geometry),
    workgroupSize: geometry.workgroupSize,
    needs: matrixNeeds(config),
  }, () => textOf(variant));
}

/** Whether a device has what the kernel takes; its text is not made for that. */
export function hasRoomFor(variant: MatrixGemmVariant, limits: KernelLimits): boolean {
  const { length, workgroupSize } = matrixGeometry(variant);
  const storageBuffers = storageBuffersOf({ bindings: bindingsOf(variant) });
  return exceeded({ storageBuffers, workgroupBytes: 16 * length, invocations: workgroupSize }, limits).length === 0;
}
