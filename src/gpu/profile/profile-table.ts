import type { DeviceProfile, GemmKnobs, ProfileChoice } from './device-profile.ts';

export interface ProfileRow {
  readonly choice: ProfileChoice;
  /** What was chosen, in short. */
  readonly value: string;
  readonly reason: string;
}

function matrixUnits({ subgroupMatrix }: DeviceProfile): string {
  if (subgroupMatrix === undefined) return 'none';
  const { m, n, k, input, sum } = subgroupMatrix;
  return `${m} x ${n} x ${k}, ${input} with sums in ${sum}`;
}

/** A profile's choices and their reasons, for people. */
export function profileTable(profile: DeviceProfile): readonly ProfileRow[] {
  const { subgroupSize, hasF16, activations, knobs, why } = profile;
  const { gemvInt8, gemvFloat, gemm, attention, sums, deltaRule, blocks, groups } = knobs;
  const tile = ({ tileRows, tileCols, tileDepth, rowsPerInvocation }: GemmKnobs) =>
    `${tileRows} x ${tileCols} x ${tileDepth}, ${rowsPerInvocation} rows each`;
  const flat = (invocations: number) => `${invocations} rows a workgroup`;
  const values: { readonly [Choice in ProfileChoice]: string } = {
    profile: profile.name,
    subgroups: subgroupSize === undefined ? 'none' : `${subgroupSize} lanes`,
    f16: hasF16 ? 'on' : 'off',
    activations,
    gemvInt8:
      subgroupSize === undefined
        ? flat(gemvInt8.flatInvocations)
        : `${gemvInt8.rows} rows a workgroup, two subgroups on two rows from ${gemvInt8.splitFromCols} columns; ` +
          `head ${gemvInt8.headRows} rows`,
    gemvFloat:
      subgroupSize === undefined
        ? flat(gemvFloat.flatInvocations)
        : `${gemvFloat.teams} subgroups, ${gemvFloat.rowsPerTeam} rows each, codes as ${gemvFloat.arithmetic}`,
    gemm: `int8 ${tile(gemm.int8)}; f32 ${tile(gemm.f32)}`,
    attention:
      `${subgroupSize === undefined ? attention.flatInvocations : attention.invocations} invocations; ` +
      `${attention.splits} parts from ${attention.splitFrom} keys`,
    sums: `in products that make up to ${sums.mostValues} values of one`,
    deltaRule: `chunks of ${deltaRule.chunk} rows, ${deltaRule.lines} lines of a head a workgroup`,
    blocks: blocks.weights === 0 ? 'none' : `${blocks.weights} weights a workgroup`,
    groups: groups.bytes === 0 ? 'a group a dispatch' : `a group a layer where dispatches move up to ${groups.bytes / 1e6} MB each`,
    matrixUnits: matrixUnits(profile),
    prefillRows: `${profile.prefillRows} rows a chunk, up to ${profile.chunkMultiplyAdds / 1e12} T multiply-adds`,
    stepsPerSubmit: `${profile.stepsPerSubmit} steps a submit`,
    limits:
      `${profile.storageBuffers} storage buffers, ${profile.invocations} invocations, ${profile.workgroupBytes / 1024} KiB, ` +
      `bindings of ${(profile.maxBufferBindingBytes / 2 ** 30).toFixed(2)} GiB`,
  };
  return (Object.keys(values) as ProfileChoice[]).map((choice) => ({ choice, value: values[choice], reason: why[choice] }));
}
