/**
 * x as halves, once for all tiles of a product's columns (ready-halves.ts): what a product on matrix units else does on its way into
 * workgroup memory. A workgroup takes a row: it finds the row's largest value, and with it the power of two, and writes the row.
 * Bindings: those of the product's x, `xHalves` and `step`.
 */
import { kernelHeader, kernelKey, withTextOf } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { linearBindings, STEP_STRUCT } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { range } from '../../wgsl/expressions.ts';
import type { MatrixConfig } from '../../wgsl/subgroup-matrix.ts';
import { inQuads } from './matrix-epilogue.ts';
import { HALVES_TILE, UNIT } from './matrix-geometry.ts';
import { HALVES, ROW_VECTORS, rowTileVectors, TILE_VECTORS } from './ready-halves.ts';
import { factorStatements, readText, takeText } from './row-factors.ts';
import { statsOf, xFormOf } from './row-staging.ts';
import { storeUnit, unitFunctions, UNIT_VECTORS } from './unit-values.ts';

export interface MatrixRowsVariant {
  /** Of the product: only its x counts. */
  readonly shape: LinearShape;
  readonly config: MatrixConfig;
}

const INVOCATIONS = 128;
const LAST = 16;
const X_BINDINGS = new Set(['x', 'xCodes', 'xStats', 'gain']);

export function matrixRowsWorkgroups(rows: number): Workgroups {
  return [rows, 1, 1];
}

const bindingsOf = (shape: LinearShape): readonly Binding[] => {
  const all = inQuads(linearBindings(shape, { step: true, vectorX: true }));
  const halves: Binding = { name: HALVES, access: 'write', type: 'array<vec4<u32>>' };
  return [...all.filter(({ name }) => X_BINDINGS.has(name)), halves, ...all.filter(({ name }) => name === 'step')];
};

/** Statements for each unit of the row that belongs to the lane. */
const eachUnit = (units: number, text: string) => `for (var k = 0u; k < ${Math.ceil(units / INVOCATIONS)}u; k++) {
  let unit = k * ${INVOCATIONS}u + lane;
  if (unit < ${units}u) {
${text}
  }
}`;

/** Statements that read unit `unit` of row `row` into `f`. */
function fetchText(shape: LinearShape): string {
  const units = shape.cols / UNIT;
  if (shape.input === 'f32') {
    const value = (i: number) => `x[${8 * units}u * row + 8u * unit + ${i}u]${shape.norm ? ` * gain[8u * unit + ${i}u]` : ''}`;
    return range(8).map((i) => `f.r0_${i} = bitcast<vec4<u32>>(${value(i)});`).join('\n');
  }
  return `let at = row * ${2 * units}u + 2u * unit;
f.r0_0 = xCodes[at];
f.r0_1 = xCodes[at + 1u];
f.scales0 = xStats[${statsOf(shape)} + unit];`;
}

function textOf({ shape, config }: MatrixRowsVariant): string {
  const form = xFormOf(shape);
  const units = shape.cols / UNIT;
  const gathered = { shape, hasMost: true };
  const tiles = UNIT / HALVES_TILE;
  const at = (i: number) =>
    `first + unit * ${tiles * TILE_VECTORS}u + ${Math.floor(i / ROW_VECTORS) * TILE_VECTORS + (i % ROW_VECTORS)}u`;
  const stored = storeUnit(config, {
    form, vector: (i) => `f.r0_${i}`, scales: 'f.scales0 * scale', minimums: undefined, factor: 'scale', at,
  }, HALVES);
  const combine = (from: string, count: number, place: string) => `for (var i = 0u; i < ${count}u; i++) {
  let part = ${from}[${place}];
  most = max(most, part.x);
  squares += part.y;
}`;
  return `${kernelHeader(bindingsOf(shape), { f16: !config.emulated })}${STEP_STRUCT}
var<workgroup> laneParts: array<vec2<f32>, ${INVOCATIONS}>;
var<workgroup> lastParts: array<vec2<f32>, ${LAST}>;
struct Fetched { ${range(UNIT_VECTORS[form]).map((i) => `r0_${i}: vec4<u32>,`).join(' ')} scales0: vec2<f32> }
${unitFunctions(config, [form], false)}
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
let row = workgroup.x;
if (row >= step.rows) { return; }
var most = 0.0;
var squares = 0.0;
${eachUnit(units, `${readText(gathered, 'unit', 0)}\n${takeText(gathered, 'unit', 0)}`)}
laneParts[lane] = vec2<f32>(most, squares);
workgroupBarrier();
most = 0.0;
squares = 0.0;
if (lane < ${LAST}u) {
${combine('laneParts', INVOCATIONS / LAST, `i * ${LAST}u + lane`)}
lastParts[lane] = vec2<f32>(most, squares);
}
workgroupBarrier();
most = 0.0;
squares = 0.0;
${combine('lastParts', LAST, 'i')}
${factorStatements(shape, true)};
let first = row / ${HALVES_TILE}u * ${rowTileVectors(shape.cols)}u + row % ${HALVES_TILE}u * ${ROW_VECTORS}u;
${eachUnit(units, `var f: Fetched;\n{\n${fetchText(shape)}\n}\n${stored}`)}
if (lane == 0u) {
  let place = (step.rows + ${HALVES_TILE - 1}u) / ${HALVES_TILE}u * ${rowTileVectors(shape.cols)}u + row;
  ${HALVES}[place] = vec4<u32>(bitcast<u32>(end), 0u, 0u, 0u);
}
}
`;
}

export function matrixRowsKernel(variant: MatrixRowsVariant): Kernel {
  const { shape, config } = variant;
  const { cols, input, norm } = shape;
  return withTextOf({
    key: kernelKey('matrix-rows', { cols, input, norm, emulated: config.emulated }),
    label: `matrix-rows [${cols}] ${input}${norm ? ' norm' : ''}`,
    bindings: bindingsOf(shape),
    workgroupSize: INVOCATIONS,
    needs: config.emulated ? {} : { f16: true },
  }, () => textOf(variant));
}
