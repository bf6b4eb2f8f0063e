/**
 * y = W x for many rows of x without matrix units. A workgroup computes a tile of tileRows x tileCols results; along K it takes
 * tileDepth elements at a time into workgroup memory, and every invocation adds the products of its rows and columns in
 * registers. A tile's columns belong to one part of W. Same bindings as the GEMVs (linear-shape.ts), so that a plan can change
 * kernels with the number of rows. Needs neither subgroups nor f16.
 */
import { kernelHeader, kernelKey, withTextOf } from '../../kernel.ts';
import type { Kernel } from '../../kernel.ts';
import { linearBindings, shapeText, STEP_STRUCT } from '../../linear-shape.ts';
import { endFunction } from '../../wgsl/end-function.ts';
import { expertFunctions, pairFunctions } from '../../wgsl/expert-rows.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import { epilogueDeclarations, epilogueText } from './gemm-epilogue.ts';
import { f32Tile } from './f32-tile.ts';
import { gemmGeometry, LANES_ACROSS } from './gemm-geometry.ts';
import type { GemmVariant } from './gemm-geometry.ts';
import { int8Tile } from './int8-tile.ts';
import { tileText } from './tile-place.ts';
import { fetchesOfX, fetchFunction, putText, tileStruct } from './tile-staging.ts';

export type { GemmVariant } from './gemm-geometry.ts';
export { gemmWorkgroups } from './tile-place.ts';

export function gemmKernel(variant: GemmVariant): Kernel {
  const { shape, tileRows, tileCols, tileDepth } = variant;
  const geometry = gemmGeometry(variant);
  const { workgroupSize, steps, rowsEach, colsEach } = geometry;
  const arithmetic = variant.arithmetic === 'int8' ? int8Tile(variant, geometry) : f32Tile(variant, geometry);
  const bindings = linearBindings(shape, { step: true, vectorX: shape.cols % 4 === 0 });
  const lanes = Math.log2(LANES_ACROSS);
  const text = () => `${STEP_STRUCT}
${kernelHeader(bindings, {})}
${tileStruct(shape)}
${arithmetic.declarations}
${epilogueDeclarations(shape, geometry)}
${endFunction(shape)}
${shape.experts ? `${expertFunctions(shape, 'several')}\n${pairFunctions(shape)}\n` : ''}${fetchFunction(geometry, arithmetic, shape)}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
${tileText(variant, workgroupSize)}
let tx = lane & ${LANES_ACROSS - 1}u;
let ty = lane >> ${lanes}u;
${unrolled(rowsEach, (i) => range(colsEach).map((j) => `var a${i}_${j} = 0.0;`).join(' '))}
${arithmetic.share ? unrolled(fetchesOfX(geometry), (u) => `var share${u} = 0.0;`) : ''}
var f = fetch(0u, lane, tile);
for (var k = 0u; k < ${steps}u; k++) {
workgroupBarrier();
${putText(geometry, arithmetic)}
workgroupBarrier();
if (k + 1u < ${steps}u) { f = fetch(k + 1u, lane, tile); }
${arithmetic.multiply}
}
${epilogueText(shape, geometry, arithmetic)}
}
`;
  const types = shape.parts.map(({ type }) => type).join('+');
  const label = `gemm-${variant.arithmetic} ${types} ${shapeText(shape)} ${tileRows}x${tileCols}x${tileDepth}`;
  return withTextOf({ key: kernelKey('gemm', variant), label, bindings, workgroupSize, needs: {} }, text);
}
