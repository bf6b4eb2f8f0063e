/**
 * The named profiles. All numbers that are tuned are here. Apple's, AMD's and Intel's follow published designs and have not been measured
 * for this project; NVIDIA's were measured on an H200 and an H100 (docs/experiments.md), the software adapter's on SwiftShader.
 */
import type { DeviceProfile, ProfileKnobs, ProfileName, ProfileReason } from './device-profile.ts';

const GIB = 2 ** 30;

const FLAT = { flatInvocations: 64 };

const KNOBS: ProfileKnobs = {
  gemvInt8: { subgroupsPerWorkgroup: 16, subgroupsPerRow: 1, tallSubgroupsPerRow: 1, headSubgroupsPerWorkgroup: 8, ...FLAT },
  gemvFloat: { rowsPerSubgroup: 4, subgroupsPerWorkgroup: 2, ...FLAT },
  gemm: { tileRows: 32, tileCols: 64, tileDepth: 32, invocations: 128, fromRows: 9 },
  attention: { subgroupsPerWorkgroup: 8, splitFrom: 1024, splits: 8, tileQueries: 16, tileKeys: 32, ...FLAT },
};

const because = (choice: string, reason: string): ProfileReason => ({ choice, reason });

const NO_MATRIX_UNITS = because('matrix units', 'not used yet: prefill takes the tiled kernel, which needs none.');

/** Metal: 10 storage buffers a kernel, bindings up to 4 GiB. */
const APPLE: Omit<DeviceProfile, 'name' | 'matches' | 'why'> = {
  subgroupSize: 32, hasF16: true, activations: 'f32', subgroupMatrix: undefined,
  storageBuffers: 10, maxBufferBindingBytes: 4 * GIB - 4, invocations: 1024, workgroupBytes: 32768,
  prefillRows: 512, stepsPerSubmit: 8, knobs: KNOBS,
};

const APPLE_WHY: readonly ProfileReason[] = [
  because('subgroups', 'every Apple GPU has simdgroups of 32 lanes.'),
  because('activations', 'f32: dot4I8Packed is emulated on Metal, so rounding activations to int8 would cost more than it saves.'),
  because('float GEMV', "4 rows a simdgroup and 2 simdgroups a workgroup, as MLX's quantised GEMV has it: x stays in registers for 4 rows."),
  because('attention', 'split from 1,024 keys on: Metal runs dispatches one after the other, about 2 us each, so the combine must pay for itself.'),
  NO_MATRIX_UNITS,
];

interface AppleOptions {
  readonly generation: 1 | 2 | 3 | 4 | 5;
  readonly family: 7 | 8 | 9 | 10;
  /** What differs from the generations before, and why. */
  readonly differences: Partial<Pick<DeviceProfile, 'prefillRows' | 'stepsPerSubmit' | 'knobs'>>;
  readonly why: readonly ProfileReason[];
}

function apple({ generation, family, differences, why }: AppleOptions): DeviceProfile {
  return {
    ...APPLE, ...differences,
    name: `apple-m${generation}`, matches: [{ vendor: 'apple', device: `Apple M${generation}` }],
    why: [because('family', `M${generation}: Apple GPU family ${family}.`), ...APPLE_WHY, ...why],
  };
}

const SMALL_APPLE = { prefillRows: 256, stepsPerSubmit: 4 };
const SMALL_APPLE_WHY = because('chunks', '256 rows and 4 steps: 7 or 8 cores at the least, so that a page can still draw between submits.');
const LARGE_APPLE_WHY = because('chunks', '512 rows and 8 steps: fast enough that a chunk takes less than a tenth of a second at 4B.');
const DYNAMIC_CACHING: ProfileKnobs = { ...KNOBS, gemm: { ...KNOBS.gemm, tileRows: 64, invocations: 256 } };
const DYNAMIC_CACHING_WHY = because('GEMM tiles', '64 x 64: registers and workgroup memory share one cache from family 9 on, so a larger tile does not cost occupancy.');

const NVIDIA: DeviceProfile = {
  name: 'nvidia', matches: [{ vendor: 'nvidia' }],
  subgroupSize: 32, hasF16: true, activations: 'int8', subgroupMatrix: undefined,
  storageBuffers: 16, maxBufferBindingBytes: 2 * GIB - 4, invocations: 1024, workgroupBytes: 49152,
  prefillRows: 512, stepsPerSubmit: 16,
  knobs: {
    ...KNOBS,
    gemvInt8: { ...KNOBS.gemvInt8, tallSubgroupsPerRow: 2 },
    gemvFloat: { ...KNOBS.gemvFloat, rowsPerSubgroup: 1, subgroupsPerWorkgroup: 8 },
    gemm: { ...KNOBS.gemm, tileRows: 64, invocations: 256 },
    attention: { ...KNOBS.attention, subgroupsPerWorkgroup: 32, splitFrom: 512 },
  },
  why: [
    because('subgroups', 'warps have 32 lanes.'),
    because('activations', 'int8: dot4I8Packed is one instruction; on an H200 it decodes 1.5 times as fast as f16 activations and twice as fast as f32.'),
    because('int8 GEMV', 'one row a warp, 16 rows a workgroup, so that it owns a block of its int8 result; two warps a row for square and tall matrices gain 10 to 20% there, and the head loses half by it.'),
    because('float GEMV', 'one row a warp: two were 15% slower.'),
    because('attention', '32 warps a head up to 512 keys; beyond, 8 parts of the keys and a combine (16 instead of 43 us at 4,096 keys).'),
    because('chunks', '512 rows, and 16 steps a submit: the CPU encodes the next submit while this one runs.'),
    NO_MATRIX_UNITS,
  ],
};

/** Storage buffers and bindings that drivers of the last years all have. */
const VULKAN = { storageBuffers: 10, maxBufferBindingBytes: 2 * GIB - 4, invocations: 256, workgroupBytes: 32768, subgroupMatrix: undefined };

const VARYING = because('subgroups', 'none unless the adapter has 32 lanes and nothing else: the driver chooses the size for each kernel.');
const NATIVE_DOT = because('activations', 'int8: dot4I8Packed is one instruction.');

const AMD: DeviceProfile = {
  ...VULKAN,
  name: 'amd', matches: [{ vendor: 'amd' }],
  subgroupSize: undefined, hasF16: true, activations: 'int8', prefillRows: 512, stepsPerSubmit: 8, knobs: KNOBS,
  why: [VARYING, NATIVE_DOT, because('chunks', '512 rows and 8 steps, as for other GPUs with memory of their own.'), NO_MATRIX_UNITS],
};

const INTEL: DeviceProfile = {
  ...VULKAN,
  name: 'intel', matches: [{ vendor: 'intel' }],
  subgroupSize: undefined, hasF16: true, activations: 'int8', prefillRows: 256, stepsPerSubmit: 4, knobs: KNOBS,
  why: [VARYING, NATIVE_DOT, because('chunks', '256 rows and 4 steps: mostly integrated GPUs, which also draw the screen.'), NO_MATRIX_UNITS],
};

const SOFTWARE: DeviceProfile = {
  ...VULKAN,
  name: 'software', matches: [],
  maxBufferBindingBytes: GIB, subgroupSize: undefined, hasF16: false, activations: 'int8', prefillRows: 64, stepsPerSubmit: 2, knobs: KNOBS,
  why: [
    because('subgroups', 'none: SwiftShader computes a row in one invocation 5 times as fast as with subgroup operations and 10 times as fast as with barriers.'),
    because('activations', 'int8: a quarter of the loads, and a dot product is one call.'),
    because('chunks', '64 rows and 2 steps: a step takes tenths of a second here.'),
    NO_MATRIX_UNITS,
  ],
};

const GENERIC: DeviceProfile = {
  name: 'generic', matches: [],
  subgroupSize: undefined, hasF16: false, activations: 'f32', subgroupMatrix: undefined,
  storageBuffers: 8, maxBufferBindingBytes: 2 ** 27, invocations: 256, workgroupBytes: 16384,
  prefillRows: 128, stepsPerSubmit: 4, knobs: KNOBS,
  why: [
    because('subgroups', 'none: an unknown GPU, or a browser that hides which one it is (Safari), promises none.'),
    because('activations', 'f32: dot4I8Packed may be emulated.'),
    because('chunks', '128 rows and 4 steps: the GPU may be small and may be drawing the page.'),
    NO_MATRIX_UNITS,
  ],
};

export const PROFILES: { readonly [Name in ProfileName]: DeviceProfile } = {
  'apple-m1': apple({ generation: 1, family: 7, differences: SMALL_APPLE, why: [SMALL_APPLE_WHY] }),
  'apple-m2': apple({ generation: 2, family: 8, differences: SMALL_APPLE, why: [SMALL_APPLE_WHY] }),
  'apple-m3': apple({ generation: 3, family: 9, differences: { knobs: DYNAMIC_CACHING }, why: [DYNAMIC_CACHING_WHY, LARGE_APPLE_WHY] }),
  'apple-m4': apple({ generation: 4, family: 9, differences: { knobs: DYNAMIC_CACHING }, why: [DYNAMIC_CACHING_WHY, LARGE_APPLE_WHY] }),
  'apple-m5': apple({ generation: 5, family: 10, differences: { knobs: DYNAMIC_CACHING }, why: [DYNAMIC_CACHING_WHY, LARGE_APPLE_WHY] }),
  nvidia: NVIDIA,
  amd: AMD,
  intel: INTEL,
  software: SOFTWARE,
  generic: GENERIC,
};

export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[];
