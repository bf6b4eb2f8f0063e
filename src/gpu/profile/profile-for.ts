/** Picks a profile for an adapter, and takes out of it what this adapter lacks. */
import { adapterName, fixedSubgroupSize } from '../device/adapter-facts.ts';
import type { AdapterFacts } from '../device/adapter-facts.ts';
import type { DeviceProfile, ProfileChoice, ProfileReasons } from './device-profile.ts';
import { PROFILES } from './profiles.ts';
import { MATRIX_CONFIGS, MATRIX_LANES } from '../wgsl/subgroup-matrix.ts';
import type { MatrixConfig } from '../wgsl/subgroup-matrix.ts';

/** The profile to run with: never wider than the adapter. What is switched off says why. */
export function profileFor(facts: AdapterFacts): DeviceProfile {
  const rules = [withSubgroups, withF16, withMatrixUnits, withPacking];
  const profile = rules.reduce<DeviceProfile>((known, rule) => rule(known, facts), nearestProfile(facts));
  return withLimits(profile, facts.limits);
}

function nearestProfile(facts: AdapterFacts): DeviceProfile {
  const name = adapterName(facts);
  const vendor = facts.vendor.toLowerCase();
  if (facts.isSoftware) return changed(PROFILES.software, {}, { profile: `${name} is one.` });
  const ofVendor = Object.values(PROFILES).filter(({ matches }) => matches.some((match) => match.vendor === vendor));
  const fits = (wanted: string | undefined) =>
    wanted === undefined || new RegExp(`${wanted}\\b`).test(`${facts.device} ${facts.description}`);
  const exact = ofVendor.find(({ matches }) => matches.some(({ device }) => fits(device)));
  if (exact !== undefined) return changed(exact, {}, { profile: `This is ${name}.` });
  const [oldest] = ofVendor;
  if (oldest !== undefined)
    return changed(
      oldest,
      {},
      { profile: `This is ${name}, whose generation is hidden or not known: the choices for the oldest suit all.` },
    );
  return changed(PROFILES.generic, {}, { profile: `This is ${name}.` });
}

/** The profile with some fields changed, and what there is to say about that added to the reasons. */
function changed(profile: DeviceProfile, change: Partial<DeviceProfile>, reasons: Partial<ProfileReasons>): DeviceProfile {
  const why = { ...profile.why };
  for (const [choice, reason] of Object.entries(reasons) as [ProfileChoice, string][]) why[choice] = `${why[choice]} ${reason}`;
  return { ...profile, ...change, why };
}

function withSubgroups(profile: DeviceProfile, facts: AdapterFacts): DeviceProfile {
  const size = fixedSubgroupSize(facts);
  if (profile.subgroupSize === size) return profile;
  if (profile.subgroupSize !== undefined) {
    const found =
      facts.subgroupSizes === undefined ? 'none' : size === undefined ? `${facts.subgroupSizes.join(' to ')} lanes` : `${size} lanes`;
    return changed(profile, { subgroupSize: undefined }, { subgroups: `Off here: this adapter offers ${found}.` });
  }
  const isVarying = profile.name === 'amd' || profile.name === 'intel';
  return isVarying && size === 32 ? changed(profile, { subgroupSize: 32 }, { subgroups: 'This one has.' }) : profile;
}

function withF16(profile: DeviceProfile, { features }: AdapterFacts): DeviceProfile {
  if (!profile.hasF16 || features.includes('shader-f16')) return profile;
  const activations = profile.activations === 'f16' ? 'f32' : profile.activations;
  return changed(profile, { hasF16: false, activations }, { f16: 'Off here: this adapter has no shader-f16.' });
}

/** Off where the adapter does not offer the profile's own sizes and types. */
function withMatrixUnits(profile: DeviceProfile, { matrixConfigs }: AdapterFacts): DeviceProfile {
  const { subgroupMatrix: own, subgroupSize, hasF16 } = profile;
  if (own === undefined) return profile;
  const isUsable = subgroupSize === MATRIX_LANES && (hasF16 || own.input === 'f32');
  if (isUsable && hasMatrices(matrixConfigs, own)) return profile;
  return changed(profile, { subgroupMatrix: undefined }, { matrixUnits: 'Off here: this adapter does not offer them.' });
}

/** NVIDIA's matrices are offered by Dawn on Vulkan alone, where packing was tried; what D3D12 makes of such values is not known. */
function withPacking(profile: DeviceProfile, { matrixConfigs }: AdapterFacts): DeviceProfile {
  if (!profile.packsIeee || hasMatrices(matrixConfigs, MATRIX_CONFIGS.nvidia)) return profile;
  return changed(profile, { packsIeee: false }, { f16: 'Here by their bits: this adapter does not look like Vulkan.' });
}

const MATRIX_PARTS = ['m', 'n', 'k', 'input', 'sum'] as const;

function hasMatrices(offered: AdapterFacts['matrixConfigs'], wanted: MatrixConfig): boolean {
  return offered.some((config) => MATRIX_PARTS.every((part) => config[part] === wanted[part]));
}

/** The profile without matrix units, for a device whose products are wrong. */
export function withoutMatrixUnits(profile: DeviceProfile): DeviceProfile {
  return changed(profile, { subgroupMatrix: undefined }, { matrixUnits: 'Off here: a product that was tried at the start was wrong.' });
}

/** The profile with an adapter's own limits, and workgroups that fit them. */
export function withLimits(profile: DeviceProfile, limits: AdapterFacts['limits']): DeviceProfile {
  const { knobs, subgroupSize = 1 } = profile;
  const most = Math.max(1, Math.floor(limits.invocations / subgroupSize));
  const { gemvFloat, attention } = knobs;
  return changed(profile, {
    storageBuffers: limits.storageBuffers,
    maxBufferBindingBytes: Math.min(limits.bindingBytes, limits.bufferBytes),
    invocations: limits.invocations,
    workgroupBytes: limits.workgroupBytes,
    knobs: {
      ...knobs,
      gemvFloat: { ...gemvFloat, teams: Math.min(gemvFloat.teams, most) },
      attention: {
        ...attention,
        invocations: Math.min(attention.invocations, limits.invocations),
        splitInvocations: Math.min(attention.splitInvocations, limits.invocations),
        tileInvocations: Math.min(attention.tileInvocations, limits.invocations),
        tileBytes: Math.min(attention.tileBytes, limits.workgroupBytes),
      },
    },
  }, { limits: "Here: this adapter's own." });
}
