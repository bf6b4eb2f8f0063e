import type { DeviceProfile, ProfileChoice } from './device-profile.ts';

export interface ProfileRow {
  readonly choice: ProfileChoice;
  /** What was chosen, in short. */
  readonly value: string;
  readonly reason: string;
}

/** A profile's choices and their reasons, for people. */
export function profileTable(profile: DeviceProfile): readonly ProfileRow[] {
  const { subgroupSize, hasF16, activations, knobs, why } = profile;
  const { gemvInt8, gemvFloat, gemm, attention } = knobs;
  const flat = (invocations: number) => `${invocations} rows a workgroup`;
  const values: { readonly [Choice in ProfileChoice]: string } = {
    profile: profile.name,
    subgroups: subgroupSize === undefined ? 'none' : `${subgroupSize} lanes`,
    f16: hasF16 ? 'on' : 'off',
    activations,
    gemvInt8: subgroupSize === undefined ? flat(gemvInt8.flatInvocations) : `${gemvInt8.subgroupsPerWorkgroup} subgroups, ${gemvInt8.subgroupsPerRow} a row (tall: ${gemvInt8.tallSubgroupsPerRow}); head ${gemvInt8.headSubgroupsPerWorkgroup}`,
    gemvFloat: subgroupSize === undefined ? flat(gemvFloat.flatInvocations) : `${gemvFloat.subgroupsPerWorkgroup} subgroups, ${gemvFloat.rowsPerSubgroup} rows each`,
    gemm: `${gemm.tileRows} x ${gemm.tileCols} x ${gemm.tileDepth}, ${gemm.invocations} invocations`,
    attention: `${subgroupSize === undefined ? `${attention.flatInvocations} invocations` : `${attention.subgroupsPerWorkgroup} subgroups`}; ${attention.splits} parts from ${attention.splitFrom} keys`,
    matrixUnits: profile.subgroupMatrix ?? 'none',
    prefillRows: `${profile.prefillRows} rows a chunk`,
    stepsPerSubmit: `${profile.stepsPerSubmit} steps a submit`,
    limits: `${profile.storageBuffers} storage buffers, ${profile.invocations} invocations, ${profile.workgroupBytes / 1024} KiB, bindings of ${(profile.maxBufferBindingBytes / 2 ** 30).toFixed(2)} GiB`,
  };
  return (Object.keys(values) as ProfileChoice[]).map((choice) => ({ choice, value: values[choice], reason: why[choice] }));
}
