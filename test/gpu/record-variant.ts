import { appendFileSync } from 'node:fs';
import type { Kernel } from '../../src/gpu/kernel.ts';

const recorded = new Set<string>();

/** Notes for the `gpu` lane's list (scripts/gpu-lane.mjs) that this kernel has run on the adapter. */
export function recordVariant({ key }: Pick<Kernel, 'key'>): void {
  const path = process.env['INGOT_GPU_VARIANTS'];
  if (path === undefined || recorded.has(key)) return;
  recorded.add(key);
  appendFileSync(path, `${key}\n`);
}
