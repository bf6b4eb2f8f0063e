/**
 * The named profiles. All numbers that are tuned are here. Apple's, AMD's and Intel's follow published designs and have not been measured
 * for this project; NVIDIA's come from an H200 and an H100, the software adapter's from SwiftShader.
 */
import { MATRIX_CONFIGS } from '../wgsl/subgroup-matrix.ts';
import type { DeviceProfile, ProfileKnobs, ProfileName, ProfileReasons } from './device-profile.ts';

const GIB = 2 ** 30;

const FLAT = { flatInvocations: 64 };

const KNOBS: ProfileKnobs = {
  gemvInt8: {
    rows: 16, headRows: 8, splitFromCols: 4096, eightFromCols: 2048, passesUpTo: 2 ** 24, wideRows: 17_408, largeRows: 16_384, ...FLAT,
  },
  gemvFloat: { arithmetic: 'half', rowsPerTeam: 4, teams: 2, flatLanes: 16, ...FLAT },
  gemm: {
    int8: { tileRows: 32, tileCols: 64, tileDepth: 32, rowsPerInvocation: 4 },
    f32: { tileRows: 32, tileCols: 64, tileDepth: 16, rowsPerInvocation: 4 },
  },
  attention: {
    invocations: 256, splitInvocations: 128, unroll: 8, splitUnroll: 4, splitFrom: 512, splits: 32, splitGranule: 32,
    groupedFrom: 5, groupedSplits: 4,
    tileInvocations: 256, tileBytes: 16384, tileSplitFrom: 512, tileSplitRows: 128, tileSplits: 8, wideTilesFrom: 0, ...FLAT,
  },
  sums: { mostValues: 2 ** 17 },
  deltaRule: { chunk: 32, lines: 16, rowsPerInvocation: 1 },
  blocks: { weights: 0 },
  groups: { bytes: 0 },
};

const MATRIX_UNITS = 'None: its drivers are not known to offer them to WebGPU, so that prefill takes tiles that need none.';
const GEMM_WHY =
  'Small tiles: they fit 16 KiB of workgroup memory, which every device has, and leave registers for several workgroups ' +
  'at a time.';
const LARGE_GEMM_WHY = 'Large tiles: twice the reuse of each weight that is unpacked.';
const SUMS_WHY =
  'The sum behind a block is made by each workgroup of a small product that reads it: 2 MB read once more cost less than a dispatch ' +
  '(an estimate).';
const DELTA_RULE_WHY =
  'More than 8 rows go in chunks of 32: shorter ones meet the state more often, longer ones take more products of their own (an ' +
  'estimate). Each workgroup has 16 lines of a head, so that 32 heads of 128 make 256 workgroups.';
const BLOCKS_WHY = 'Small transformers run product by product: halves of their layers as one dispatch were not measured here.';
const GROUPS_WHY =
  'A bind group a dispatch: that the dispatches of a layer share one, and see buffers as structs, was not measured here, and it cost the ' +
  'kernels of an H200 1 to 7%.';
const SPLIT_WHY = 'Keys are split over workgroups from where on the parts save more than the second dispatch, which combines them, costs.';

const APPLE_KNOBS: ProfileKnobs = { ...KNOBS, gemm: { ...KNOBS.gemm, f32: { ...KNOBS.gemm.f32, tileRows: 64 } } };

/** Metal as Dawn gives it: 10 storage buffers a kernel, bindings up to 4 GiB. */
const APPLE: Omit<DeviceProfile, 'name' | 'matches'> = {
  subgroupSize: 32, hasF16: true, packsIeee: false, activations: 'f32', subgroupMatrix: MATRIX_CONFIGS.metalF32,
  storageBuffers: 10, maxBufferBindingBytes: 4 * GIB - 4, invocations: 1024, workgroupBytes: 32768,
  prefillRows: 512, chunkMultiplyAdds: 2e12, stepsPerSubmit: 8, knobs: APPLE_KNOBS,
  why: {
    profile: 'Any Apple GPU.',
    subgroups: 'Every Apple GPU has simdgroups of 32 lanes.',
    f16: 'Every Apple GPU computes in f16.',
    activations: 'f32: dot4I8Packed is emulated on Metal, so that rounding activations to int8 would cost more than it saves.',
    gemvInt8: 'Not used: activations are floats.',
    gemvFloat:
      "Several rows a simdgroup, few simdgroups a workgroup, the shape of MLX's quantised GEMV: x stays in registers for all " +
      "of its rows.",
    gemm: 'Large tiles: registers and workgroup memory share one cache from family 9 on, so that they do not cost occupancy.',
    attention:
      'Keys are split over workgroups from where on the parts save more than the second dispatch costs: Metal runs ' +
      'dispatches one after the other, about 2 us each.',
    sums: SUMS_WHY,
    deltaRule: DELTA_RULE_WHY,
    blocks: `${BLOCKS_WHY} Their attention would bind 12 buffers.`,
    groups: GROUPS_WHY,
    matrixUnits:
      'In f32: sums of halves are offered in f16 only, which long products do not survive. Products of many rows; not measured.',
    prefillRows:
      'A chunk of a 4B model should stay near a tenth of a second (an estimate), so that it can be cancelled and a page can ' +
      'draw.',
    stepsPerSubmit: 'A submit of a small model should stay under 20 ms (an estimate).',
    limits: "Metal's, as Dawn passes them on.",
  },
};

interface AppleOptions {
  readonly generation: 1 | 2 | 3 | 4 | 5;
  readonly family: 7 | 8 | 9 | 10;
  /** What it chooses otherwise than the others, and why. */
  readonly differences?: Partial<Pick<DeviceProfile, 'prefillRows' | 'chunkMultiplyAdds' | 'stepsPerSubmit' | 'knobs'>>;
  readonly why?: Partial<ProfileReasons>;
}

function apple({ generation, family, differences, why }: AppleOptions): DeviceProfile {
  const name = `Apple M${generation}`;
  return {
    ...APPLE, ...differences,
    name: `apple-m${generation}`, matches: [{ vendor: 'apple', device: name }],
    why: { ...APPLE.why, profile: `${name}: GPU family ${family}.`, ...why },
  };
}

/** Families 7 and 8: registers and workgroup memory apart, and as few as 7 cores. */
const EARLY_APPLE = {
  differences: { prefillRows: 256, chunkMultiplyAdds: 1e12, stepsPerSubmit: 4, knobs: KNOBS },
  why: {
    gemm: GEMM_WHY,
    prefillRows: 'With 7 or 8 cores a larger chunk of a 4B model would take tenths of a second, in which a page cannot draw (an estimate).',
    stepsPerSubmit: 'For the same reason.',
  },
} as const;

const NVIDIA: DeviceProfile = {
  name: 'nvidia', matches: [{ vendor: 'nvidia' }],
  subgroupSize: 32, hasF16: true, packsIeee: true, activations: 'int8', subgroupMatrix: MATRIX_CONFIGS.nvidia,
  storageBuffers: 12, maxBufferBindingBytes: 2 * GIB - 4, invocations: 1024, workgroupBytes: 49152,
  prefillRows: 1024, chunkMultiplyAdds: 9e12, stepsPerSubmit: 16,
  knobs: {
    ...KNOBS,
    gemvFloat: { ...KNOBS.gemvFloat, rowsPerTeam: 1, teams: 8 },
    gemm: {
      int8: { tileRows: 32, tileCols: 64, tileDepth: 64, rowsPerInvocation: 4 },
      f32: { tileRows: 64, tileCols: 64, tileDepth: 16, rowsPerInvocation: 4 },
    },
    attention: { ...KNOBS.attention, tileBytes: 49152, wideTilesFrom: 128 },
    sums: { mostValues: 2 ** 19 },
    blocks: { weights: 200_000 },
    groups: { bytes: 3_000_000 },
  },
  why: {
    profile: 'Any NVIDIA GPU.',
    subgroups: 'Warps have 32 lanes.',
    f16:
      'On, by a toggle of Dawn (vulkan_enable_f16_on_nvidia). Keys and values are packed as the device does it, which is IEEE 754 for 32 ' +
      'wild values on Vulkan (H200); by their bits a token takes 13 us more.',
    activations:
      'int8: dot4I8Packed is one instruction; chains of GEMVs ran 1.4 to 1.9 times as fast as with f16 activations and 2 to ' +
      '3 times as fast as with f32.',
    gemvInt8:
      'A row a warp, and as many rows a workgroup as make a block of the int8 result, which it so owns. Two warps on two ' +
      'rows where columns are many (a tenth faster there; the head would lose half by it), and more rows a warp for wide ' +
      'gate-and-up products, so that all workgroups run in one wave; of several columns four rows a warp, or a half or a quarter of ' +
      'one, which share what is loaded of them (Qwen3-4B, gate and up of 2, 4, 8 columns: 11.6, 13.0, 22.3 us; by whole warps 14.8, ' +
      '17.0, 26.3; by matrix units 32). Small products of 9 to 16 columns take two passes: q, k and v 14.0 us, 14.6 with its sum of ' +
      'parts (H200).',
    gemvFloat: 'A row a warp: two rows a warp were 15% slower.',
    gemm: LARGE_GEMM_WHY,
    attention:
      '8 warps on one head while keys are few; then parts of the keys for a group of heads, and a combine (H100, 4,096 keys ' +
      'of 0.6B: 14 us where one part takes 35). From 5 sequences on 8 warps on all heads of a group: 16 sequences of 512 keys of 4B take ' +
      'two thirds of the time, 64 of 128 keys half (H200). Prompts: a core takes one workgroup of tiles, so where there are more ' +
      'than cores it has 8 warps and not 4 (Qwen3-4B, 1,024 rows behind 31,744: 88 T multiply-adds a second for 60).',
    sums:
      'The sum behind a block is made by each workgroup of the product that reads it, up to 8 MB read once more: a dispatch of it takes ' +
      '3.4 us (H200) and as much of the host; 1 to 2 us in the product are an estimate.',
    deltaRule: DELTA_RULE_WHY,
    blocks:
      'Half a layer of a small transformer in one dispatch of few workgroups, 200 kB of weights each: 2 to 3 us of reading beside the ' +
      '4 to 6 of each of the dispatches in its place, and a third of their calls (an estimate).',
    groups:
      "Small models' tokens wait for the host while it is slow: with a bind group a layer Qwen3-0.6B (2.4 MB a dispatch) made 19 to 35% " +
      "more of them there, for 0.3% of the device's time. Qwen3-4B (12 MB) waits for the device, and would lose 6.6% (H200); Gemma-3-1B " +
      '(4.2 MB) was not measured.',
    matrixUnits:
      'Halves with sums in f32, for products of 5 rows and more: a register-only loop ran at 315 T multiply-adds a second (H200), ten ' +
      'times what dot4I8Packed gives. Rows are scaled by powers of two, so that halves hold whatever comes.',
    prefillRows:
      'Products of 1,024 rows fill rounds of the cores without parts of the depth: 2,048 rows of a 4B model took a tenth less (H200). A ' +
      'chunk takes about 43 ms there, which is the longest that an answer beside it waits; models above 9B take 512 rows and fewer, so ' +
      'that it stays near a tenth of a second.',
    stepsPerSubmit: 'JavaScript encodes the next submit while this one runs, and text still comes 25 times a second or more.',
    limits: 'As drivers of the last years give them.',
  },
};

/** What Vulkan drivers of the last years all give; 12 storage buffers is what this Dawn makes of any of them. */
const VULKAN = {
  storageBuffers: 12, maxBufferBindingBytes: 2 * GIB - 4, invocations: 256, workgroupBytes: 32768,
  subgroupMatrix: undefined,
};

const VULKAN_WHY: Omit<ProfileReasons, 'profile' | 'prefillRows' | 'stepsPerSubmit'> = {
  subgroups: 'None unless the adapter has 32 lanes and nothing else: the driver may choose another size for each kernel.',
  f16: 'On: its GPUs of the last years compute in f16.',
  activations: 'int8: dot4I8Packed is one instruction.',
  gemvInt8: 'A row an invocation: without subgroups nothing is shared between invocations.',
  gemvFloat: 'Without subgroups invocations meet in workgroup memory. Only weights that are floats in the file need it.',
  gemm: GEMM_WHY,
  attention: SPLIT_WHY,
  sums: SUMS_WHY,
  deltaRule: DELTA_RULE_WHY,
  blocks: BLOCKS_WHY,
  groups: GROUPS_WHY,
  matrixUnits: MATRIX_UNITS,
  limits: 'What Vulkan drivers of the last years all give.',
};

const AMD: DeviceProfile = {
  ...VULKAN,
  name: 'amd', matches: [{ vendor: 'amd' }],
  subgroupSize: undefined, hasF16: true, packsIeee: false, activations: 'int8',
  prefillRows: 512, chunkMultiplyAdds: 2e12, stepsPerSubmit: 8,
  knobs: KNOBS,
  why: {
    ...VULKAN_WHY, profile: 'Any AMD GPU.', prefillRows: 'Mostly GPUs with memory of their own.',
    stepsPerSubmit: 'Between what large and integrated GPUs want.',
  },
};

const INTEL: DeviceProfile = {
  ...VULKAN,
  name: 'intel', matches: [{ vendor: 'intel' }],
  subgroupSize: undefined, hasF16: true, packsIeee: false, activations: 'int8',
  prefillRows: 256, chunkMultiplyAdds: 1e12, stepsPerSubmit: 4,
  knobs: KNOBS,
  why: {
    ...VULKAN_WHY, profile: 'Any Intel GPU.', prefillRows: 'Mostly integrated GPUs, which also draw the screen.',
    stepsPerSubmit: 'For the same reason.',
  },
};

const SOFTWARE: DeviceProfile = {
  ...VULKAN,
  name: 'software', matches: [],
  maxBufferBindingBytes: GIB, subgroupSize: undefined, hasF16: false, packsIeee: false, activations: 'int8', prefillRows: 64,
  chunkMultiplyAdds: 1e12, stepsPerSubmit: 2,
  knobs: { ...KNOBS, gemvFloat: { ...KNOBS.gemvFloat, arithmetic: 'integer', flatLanes: 1 } },
  why: {
    ...VULKAN_WHY,
    profile: 'A CPU in the guise of a GPU.',
    subgroups:
      'None, though SwiftShader has 4 lanes: a row an invocation is 5 times as fast there as with subgroup operations, and ' +
      '10 times as fast as with barriers.',
    f16: 'Off: SwiftShader has none.',
    activations: 'int8: a quarter of the loads.',
    prefillRows: 'A step takes tenths of a second here.',
    stepsPerSubmit: 'For the same reason; the tests still see several steps in one submit.',
    limits: "SwiftShader's.",
  },
};

const GENERIC: DeviceProfile = {
  name: 'generic', matches: [],
  subgroupSize: undefined, hasF16: false, packsIeee: false, activations: 'f32', subgroupMatrix: undefined,
  storageBuffers: 10, maxBufferBindingBytes: 2 ** 27, invocations: 256, workgroupBytes: 16384,
  prefillRows: 128, chunkMultiplyAdds: 1e12, stepsPerSubmit: 4, knobs: KNOBS,
  why: {
    ...VULKAN_WHY,
    profile: 'A GPU that is not known, or that a browser hides (Safari).',
    subgroups: 'None: Safari has none, and an unknown GPU may have any size.',
    f16: 'Off: Safari has none.',
    activations: 'f32: dot4I8Packed may be emulated.',
    gemvInt8: 'Not used: activations are floats.',
    gemvFloat: 'Without subgroups invocations meet in workgroup memory, a few to a row.',
    prefillRows: 'The GPU may be small and may be drawing the page.',
    stepsPerSubmit: 'For the same reason.',
    limits: 'What WebGPU promises everywhere, but for 10 storage buffers instead of 8: Safari gives more, Chrome 10.',
  },
};

export const PROFILES: { readonly [Name in ProfileName]: DeviceProfile } = {
  'apple-m1': apple({ generation: 1, family: 7, ...EARLY_APPLE }),
  'apple-m2': apple({ generation: 2, family: 8, ...EARLY_APPLE }),
  'apple-m3': apple({ generation: 3, family: 9 }),
  'apple-m4': apple({ generation: 4, family: 9 }),
  'apple-m5': apple({ generation: 5, family: 10 }),
  nvidia: NVIDIA,
  amd: AMD,
  intel: INTEL,
  software: SOFTWARE,
  generic: GENERIC,
};

export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[];
