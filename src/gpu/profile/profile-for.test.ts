import { describe, expect, it } from 'vitest';
import type { AdapterFacts } from '../device/adapter-facts.ts';
import { profileFor, withoutMatrixUnits } from './profile-for.ts';
import { profileTable } from './profile-table.ts';
import { PROFILES, PROFILE_NAMES } from './profiles.ts';

const LARGE = { bufferBytes: 2 ** 40, bindingBytes: 2 ** 31 - 4, storageBuffers: 16, invocations: 1024, workgroupBytes: 49152 };

function facts(change: Partial<AdapterFacts>): AdapterFacts {
  return {
    vendor: '', architecture: '', device: '', description: '', isSoftware: false,
    features: ['shader-f16', 'subgroups'], subgroupSizes: [32, 32], limits: LARGE, matrixConfigs: [], ...change,
  };
}

describe('the profile for an adapter', () => {
  it.each<[Partial<AdapterFacts>, string]>([
    [{ vendor: 'nvidia', architecture: 'hopper', device: 'NVIDIA H100 80GB HBM3' }, 'nvidia'],
    [{ vendor: 'amd', device: 'AMD Radeon RX 7900 XTX (RADV NAVI31)' }, 'amd'],
    [{ vendor: 'intel', device: 'Intel(R) Arc(tm) A770 Graphics' }, 'intel'],
    [{ vendor: 'apple', device: 'Apple M1' }, 'apple-m1'],
    [{ vendor: 'apple', device: 'Apple M2 Max' }, 'apple-m2'],
    [{ vendor: 'apple', device: 'Apple M3 Pro' }, 'apple-m3'],
    [{ vendor: 'apple', device: 'Apple M4 Max' }, 'apple-m4'],
    [{ vendor: 'apple', device: 'Apple M5' }, 'apple-m5'],
    [{ vendor: 'apple', device: 'Apple M10' }, 'apple-m1'],
    [{ vendor: 'apple', architecture: 'metal-3' }, 'apple-m1'],
    [{ vendor: 'google', device: 'SwiftShader', isSoftware: true }, 'software'],
    [{ vendor: 'mesa', device: 'llvmpipe', isSoftware: true }, 'software'],
    [{ vendor: 'qualcomm' }, 'generic'],
    [{}, 'generic'],
  ])('%j is %s', (change, name) => {
    expect(profileFor(facts(change)).name).toBe(name);
  });

  it('takes the limits of the adapter', () => {
    const limits = { bufferBytes: 2 ** 28, bindingBytes: 2 ** 30, storageBuffers: 8, invocations: 256, workgroupBytes: 16384 };
    const profile = profileFor(facts({ vendor: 'nvidia', limits }));
    expect(profile).toMatchObject({ maxBufferBindingBytes: 2 ** 28, storageBuffers: 8, invocations: 256, workgroupBytes: 16384 });
    const { gemvFloat, attention } = profile.knobs;
    expect(gemvFloat.teams * 32).toBeLessThanOrEqual(256);
    expect(Math.max(attention.invocations, attention.splitInvocations, attention.tileInvocations)).toBeLessThanOrEqual(256);
    expect(attention.tileBytes).toBeLessThanOrEqual(16384);
  });

  it('switches off what the adapter lacks, and says so', () => {
    const profile = profileFor(facts({ vendor: 'apple', device: 'Apple M1', features: [], subgroupSizes: undefined }));
    expect(profile).toMatchObject({ subgroupSize: undefined, hasF16: false, activations: 'f32' });
    expect(profile.why.subgroups).toContain('Off here: this adapter offers none.');
    expect(profile.why.f16).toContain('Off here: this adapter has no shader-f16.');
  });

  it('uses subgroups only where their size is certain', () => {
    const size = (vendor: string, subgroupSizes: readonly [number, number]) => profileFor(facts({ vendor, subgroupSizes })).subgroupSize;
    // What Dawn says of Metal and of any GPU on D3D12, where the hardware knows 32 lanes only.
    expect(size('apple', [4, 64])).toBe(32);
    expect(size('nvidia', [32, 128])).toBe(32);
    expect(size('nvidia', [16, 16])).toBeUndefined();
    expect(size('amd', [32, 64])).toBeUndefined();
    expect(size('amd', [32, 32])).toBe(32);
    expect(size('amd', [64, 64])).toBeUndefined();
    expect(size('intel', [8, 32])).toBeUndefined();
    expect(size('intel', [32, 32])).toBe(32);
    expect(size('', [32, 32])).toBeUndefined();
  });
});

describe.each(PROFILE_NAMES)('the profile %s', (name) => {
  const profile = PROFILES[name];

  it('gives a value and a reason for every choice', () => {
    expect(profile.name).toBe(name);
    for (const { value, reason } of profileTable(profile)) {
      expect(value).not.toBe('');
      expect(reason).toMatch(/^\S.{8,}\.$/);
    }
  });

  it('keeps to its own limits', () => {
    const { knobs, subgroupSize = 1, invocations, storageBuffers, workgroupBytes } = profile;
    const { gemvInt8, gemvFloat, attention, gemm } = knobs;
    for (const subgroups of [gemvInt8.rows, gemvInt8.headRows, gemvFloat.teams]) {
      expect(subgroups * subgroupSize).toBeLessThanOrEqual(invocations);
    }
    expect(
      Math.max(attention.invocations, attention.splitInvocations, attention.tileInvocations, attention.flatInvocations),
    ).toBeLessThanOrEqual(invocations);
    expect(attention.tileBytes).toBeLessThanOrEqual(workgroupBytes);
    // Both tiles staged, as f32.
    expect((gemm.f32.tileRows + gemm.f32.tileCols) * gemm.f32.tileDepth * 4).toBeLessThanOrEqual(workgroupBytes);
    // What kernels are allowed to bind.
    expect(storageBuffers).toBeGreaterThanOrEqual(10);
  });
});

describe('matrix units', () => {
  const own = PROFILES.nvidia.subgroupMatrix!;
  const units = (change: Partial<AdapterFacts>) => profileFor(facts({ vendor: 'nvidia', ...change }));

  it("are on where the adapter offers the profile's own sizes and types", () => {
    expect(units({ matrixConfigs: [{ ...own, n: 8 }, own] }).subgroupMatrix).toEqual(own);
    expect(units({ matrixConfigs: [{ ...own, n: 8 }] }).subgroupMatrix).toBeUndefined();
    expect(units({ matrixConfigs: [] }).why.matrixUnits).toContain('Off here: this adapter does not offer them.');
  });

  it('are off without the subgroups and halves that their kernels take, and where a product was wrong', () => {
    expect(units({ matrixConfigs: [own], subgroupSizes: undefined }).subgroupMatrix).toBeUndefined();
    expect(units({ matrixConfigs: [own], features: ['subgroups'] }).subgroupMatrix).toBeUndefined();
    expect(withoutMatrixUnits(units({ matrixConfigs: [own] }))).toMatchObject({ subgroupMatrix: undefined });
  });

  it('tell Vulkan, where NVIDIA packs halves as IEEE 754 has it, from others, of which nobody knows', () => {
    expect([[own], []].map((matrixConfigs) => units({ matrixConfigs }).packsIeee)).toEqual([true, false]);
    expect(units({ matrixConfigs: [] }).why.f16).toContain('by their bits');
  });
});
