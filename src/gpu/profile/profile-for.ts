/** Picks a profile for an adapter, and takes out of it what this adapter lacks. */
import { adapterName, fixedSubgroupSize } from '../device/adapter-facts.ts';
import type { AdapterFacts } from '../device/adapter-facts.ts';
import type { DeviceProfile, ProfileReason } from './device-profile.ts';
import { PROFILES } from './profiles.ts';

/** The profile to run with: never wider than the adapter. Each thing switched off adds its reason. */
export function profileFor(facts: AdapterFacts): DeviceProfile {
  const { profile, reason } = nearestProfile(facts);
  const degraded = [withSubgroups, withF16, withLimits].reduce<DeviceProfile>((current, rule) => rule(current, facts), profile);
  return { ...degraded, why: [{ choice: 'profile', reason }, ...degraded.why] };
}

function nearestProfile(facts: AdapterFacts): { readonly profile: DeviceProfile; readonly reason: string } {
  const name = adapterName(facts);
  const vendor = facts.vendor.toLowerCase();
  if (facts.isSoftware) return { profile: PROFILES.software, reason: `${name} computes on the CPU.` };
  const ofVendor = Object.values(PROFILES).filter(({ matches }) => matches.some((match) => match.vendor === vendor));
  const fits = (wanted: string | undefined) => wanted === undefined || new RegExp(`${wanted}\\b`).test(`${facts.device} ${facts.description}`);
  const exact = ofVendor.find(({ matches }) => matches.some(({ device }) => fits(device)));
  if (exact !== undefined) return { profile: exact, reason: `the vendor is ${vendor}${vendor === 'apple' ? `, the device ${name}` : ''}.` };
  const [oldest] = ofVendor;
  if (oldest !== undefined) return { profile: oldest, reason: `the vendor is ${vendor}, but which generation is unknown: the oldest one's choices suit all.` };
  return { profile: PROFILES.generic, reason: `${name} is of no vendor with a profile of its own.` };
}

function without(profile: DeviceProfile, change: Partial<DeviceProfile>, reason: ProfileReason): DeviceProfile {
  return { ...profile, ...change, why: [...profile.why, reason] };
}

function withSubgroups(profile: DeviceProfile, facts: AdapterFacts): DeviceProfile {
  const size = fixedSubgroupSize(facts);
  if (profile.subgroupSize === size) return profile;
  if (profile.subgroupSize !== undefined) {
    const [smallest, largest] = facts.subgroupSizes ?? [];
    const found = facts.subgroupSizes === undefined ? 'no subgroups' : size === undefined ? `subgroups of ${smallest} to ${largest} lanes` : `subgroups of ${size} lanes`;
    return without(profile, { subgroupSize: undefined }, { choice: 'subgroups', reason: `off: this adapter offers ${found}, not ${profile.subgroupSize} lanes for certain.` });
  }
  const isVarying = profile.name === 'amd' || profile.name === 'intel';
  if (!isVarying || size !== 32) return profile;
  return without(profile, { subgroupSize: 32 }, { choice: 'subgroups', reason: 'on: this adapter has 32 lanes and nothing else.' });
}

function withF16(profile: DeviceProfile, { features }: AdapterFacts): DeviceProfile {
  if (!profile.hasF16 || features.includes('shader-f16')) return profile;
  const activations = profile.activations === 'f16' ? 'f32' : profile.activations;
  return without(profile, { hasF16: false, activations }, { choice: 'f16', reason: 'off: this adapter has no shader-f16.' });
}

/** The adapter's own limits, and knobs that fit them. */
function withLimits(profile: DeviceProfile, { limits }: AdapterFacts): DeviceProfile {
  const own = {
    storageBuffers: limits.storageBuffers, maxBufferBindingBytes: Math.min(limits.bindingBytes, limits.bufferBytes),
    invocations: limits.invocations, workgroupBytes: limits.workgroupBytes,
  };
  const { knobs, subgroupSize } = profile;
  const most = Math.max(1, Math.floor(own.invocations / (subgroupSize ?? 1)));
  const needed = Math.max(knobs.gemvInt8.subgroupsPerWorkgroup, knobs.attention.subgroupsPerWorkgroup);
  if (subgroupSize === undefined || needed <= most) return { ...profile, ...own };
  const fewer = <Knobs extends { readonly subgroupsPerWorkgroup: number }>(family: Knobs): Knobs => ({ ...family, subgroupsPerWorkgroup: Math.min(family.subgroupsPerWorkgroup, most) });
  const { gemvInt8, gemvFloat, attention } = knobs;
  const narrowed = { ...knobs, gemvInt8: fewer(gemvInt8), gemvFloat: fewer(gemvFloat), attention: fewer(attention) };
  return without({ ...profile, ...own }, { knobs: narrowed }, { choice: 'workgroups', reason: `at most ${most} subgroups: this adapter takes ${own.invocations} invocations.` });
}
