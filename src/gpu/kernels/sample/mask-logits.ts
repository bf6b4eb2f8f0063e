/** Takes tokens out of the choice before it is made: logits whose bit of the host's mask is not set become -Infinity. */
import { kernelHeader, kernelKey } from '../../kernel.ts';
import type { Binding, Kernel } from '../../kernel.ts';

export interface MaskVariant {
  readonly vocab: number;
  readonly invocations: number;
}

/** Words of a row's mask: bit i of word w is token 32 w + i. */
export function maskWords(vocab: number): number {
  return Math.ceil(vocab / 32);
}

/** Workgroups of a row, each of whose invocations does a word's tokens. */
export function maskWorkgroups({ vocab, invocations }: MaskVariant): number {
  return Math.ceil(maskWords(vocab) / invocations);
}

/** Bindings: `logits` f32 [rows of a step][vocab]; `maskedRows` u32, rows of the logits; `masks` u32 [masked rows][words]. */
export function maskLogitsKernel(variant: MaskVariant): Kernel {
  const { vocab, invocations } = variant;
  const words = maskWords(vocab);
  const bindings: readonly Binding[] = [
    { name: 'logits', access: 'write', type: 'array<u32>' },
    { name: 'maskedRows', access: 'read', type: 'array<u32>' },
    { name: 'masks', access: 'read', type: 'array<u32>' },
  ];
  const wgsl = `${kernelHeader(bindings, {})}
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let word = workgroup.x * ${invocations}u + lane;
  if (word >= ${words}u) { return; }
  let allowed = masks[workgroup.y * ${words}u + word];
  if (allowed == 0xffffffffu) { return; }
  let first = maskedRows[workgroup.y] * ${vocab}u + word * 32u;
  for (var bit = 0u; bit < min(32u, ${vocab}u - word * 32u); bit++) {
    if (((allowed >> bit) & 1u) == 0u) { logits[first + bit] = 0xff800000u; }
  }
}
`;
  return {
    key: kernelKey('mask-logits', variant),
    label: `mask-logits [${vocab}]`,
    wgsl, bindings,
    workgroupSize: invocations,
    needs: {},
  };
}
