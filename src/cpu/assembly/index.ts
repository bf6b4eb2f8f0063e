/**
 * What the WASM modules export. Both modules are built from this (scripts/build-wasm.mjs), with RELAXED 0 and 1.
 * Memory is imported and shared; its first 64 KiB belong to the module's own constants. Nothing here allocates.
 */
export { dequantizeRow, matrixRow } from './dequantize';
export { relaxedIsExact } from './dot-int8';
export { matmul, matmulScratchBytes } from './matmul';
export { packMatrix } from './packed-rows';
export { activationBytes, quantizeRow } from './quantize';

export { activationRow, clampedGateRow } from './activation';
export { addRow, expRow, scaleRow, softcapRow } from './elementwise';
export { firstBad } from './check';
export { packHalves, unpackAnyHalves, unpackHalves } from './kv-element';
export { layerNormVector, rmsNormVector } from './norm';
export { abandonStep } from './control';
export { likeliest } from './burst';
export { heapBase, hostMain, threadMain } from './program';
export { ropeVector } from './rope';
