// Variants of decode attention that bench/gpu-attention.mjs tries, by device and number of sequences.

/** [invocations, unroll] of a workgroup that takes all keys of its heads, with subgroups. */
const WHOLE = [[256, 8], [256, 4], [512, 4], [512, 8], [512, 2], [1024, 2], [1024, 4], [128, 8], [128, 4]];

/**
 * [splits, granule, invocations, unroll] where keys are split over workgroups: from one large workgroup a processor to several small ones.
 */
const SPLIT = [
  [16, 32, 256, 4], [16, 32, 256, 8], [16, 32, 512, 2], [16, 32, 512, 4], [16, 32, 512, 8], [16, 32, 1024, 2],
  [32, 32, 128, 4], [32, 32, 128, 8], [32, 32, 256, 2], [32, 32, 256, 4], [32, 32, 256, 8], [32, 32, 512, 2],
  [64, 32, 64, 4], [64, 32, 64, 8], [64, 32, 128, 2], [64, 32, 128, 4], [64, 32, 256, 2],
];

/** The same for several sequences, which fill the device with fewer parts of each. */
const SPLIT_OF_MANY = [
  [32, 32, 128, 4], [8, 32, 128, 4], [8, 32, 128, 8], [8, 32, 256, 4], [4, 32, 128, 4], [4, 32, 128, 8], [4, 32, 256, 4], [4, 32, 256, 8],
  [2, 32, 128, 4], [2, 32, 256, 4], [2, 32, 256, 8], [8, 64, 128, 4], [8, 64, 256, 4],
];
const LOADS = ['refilled', 'together', 'ahead'];

/** Registers that a lane's keys, values, queries and results take at headDim 128 in f16; more than this spill, or leave too few lanes. */
const MOST_REGISTERS = 150;

function registersOf({ queryHeads, unroll, loads, invocations }) {
  const registers = queryHeads * 16 + unroll * 8 * (loads === 'ahead' ? 2 : 1);
  return registers + 30 > 65536 / invocations ? Infinity : registers;
}

export function decodeVariants(shape, { subgroupSize, isTiny, streams }) {
  const group = shape.heads / shape.kvHeads;
  const flat = { shape, queryHeads: 1, splits: undefined, subgroupSize: undefined, invocations: 64, unroll: 1 };
  if (subgroupSize === undefined || isTiny) {
    const shared = { ...flat, queryHeads: Math.min(group, 4), splits: { count: 4, granule: 16 } };
    const lanes = { ...flat, subgroupSize, invocations: 16, unroll: 2, loads: 'ahead' };
    return subgroupSize === undefined ? [flat, shared] : [flat, shared, lanes, { ...lanes, splits: shared.splits }];
  }
  const several = [4, 3, 2].filter((count) => group % count === 0);
  const whole = WHOLE.flatMap(([invocations, unroll]) =>
    [1, ...(streams > 1 ? several : [])].map((queryHeads) => ({ ...flat, subgroupSize, queryHeads, invocations, unroll })),
  );
  const split = (streams > 1 ? SPLIT_OF_MANY : SPLIT).flatMap(([count, granule, invocations, unroll]) =>
    (several.length === 0 ? [1] : several).map((queryHeads) => ({
      ...flat, queryHeads, subgroupSize, invocations, unroll, splits: { count, granule },
    })),
  );
  return [...whole, ...split]
    .flatMap((variant) => LOADS.map((loads) => ({ ...variant, loads })))
    .filter((variant) => registersOf(variant) <= MOST_REGISTERS);
}

/** Whether a variant may be the best at a length. */
export function suits({ splits }, { keys, streams }) {
  return splits ? keys * Math.sqrt(streams) >= 256 : keys <= 1024 * streams;
}

export function nameOf({ splits, queryHeads, invocations, unroll, loads = '-' }) {
  const how = splits ? `split ${splits.count}x${splits.granule}` : 'whole';
  return `${how.padEnd(11)} ${queryHeads} heads ${String(invocations).padStart(4)} inv unroll ${unroll} ${loads}`;
}
