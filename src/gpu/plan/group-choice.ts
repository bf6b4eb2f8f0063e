/** For which models dispatches of a token share bind groups. */
import { cacheTypes, hasCodes } from '../attention-shape.ts';
import type { ModelPlan } from './model-plan.ts';
import { reportDecode } from './plan-report.ts';

/** Keys of a token that stands for all. */
const KEYS = 128;

/**
 * Whether a profile wants it for a model: where a dispatch reads so little that a token waits for the host. The kernels lose by it, most
 * where they read much (0.3% of Qwen3-0.6B's step on an H200, 6.6% of Qwen3-4B's), and 7% where keys or values are codes.
 */
export function sharesGroups(plan: ModelPlan): boolean {
  const { profile, kv } = plan.options;
  const { bytes } = profile.knobs.groups;
  if (bytes === 0 || plan.decoder === undefined || hasCodes(cacheTypes(kv))) return false;
  const report = reportDecode(plan, KEYS);
  return report.bytes / report.dispatches.length <= bytes;
}
