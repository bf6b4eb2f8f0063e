/** Adds what callers prefer and avoid to logits of rows whose tokens are chosen, before penalties; what is not finite stays as it is. */
import { kernelHeader, kernelKey } from '../../kernel.ts';
import type { Binding, Kernel } from '../../kernel.ts';
import { ROWS_BINDING } from '../../sampling/sampler-variant.ts';

export interface BiasVariant {
  readonly vocab: number;
  /** Of the one workgroup that a row takes. */
  readonly invocations: number;
}

/**
 * The biases of all sequences, by number: first where each one's lie and how many there are, then pairs of a token's id and the bits of
 * the f32 that is added to its logit.
 */
export function biasTable(biases: readonly (ReadonlyMap<number, number> | undefined)[]): Uint32Array<ArrayBuffer> {
  const entries = biases.reduce((sum, bias) => sum + (bias?.size ?? 0), 0);
  const words = new Uint32Array(2 * (biases.length + entries));
  const floats = new Float32Array(words.buffer);
  let at = biases.length;
  for (const [sequence, bias = new Map<number, number>()] of biases.entries()) {
    words.set([at, bias.size], 2 * sequence);
    for (const [id, added] of bias) {
      words[2 * at] = id;
      floats[2 * at++ + 1] = added;
    }
  }
  return words;
}

/** Bindings: `logits` f32 [rows of a step][vocab]; `rows`; `biases`, as {@link biasTable} makes it. */
export function biasLogitsKernel(variant: BiasVariant): Kernel {
  const { vocab, invocations } = variant;
  const bindings: readonly Binding[] = [
    { name: 'logits', access: 'write', type: 'array<u32>' },
    ROWS_BINDING,
    { name: 'biases', access: 'read', type: 'array<vec2<u32>>' },
  ];
  // Infinities are told by their bits, since WGSL need not respect them.
  const wgsl = `${kernelHeader(bindings, {})}
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = rows[workgroup.y];
  let own = biases[row.y];
  for (var i = lane; i < own.y; i += ${invocations}u) {
    let entry = biases[own.x + i];
    let at = row.x * ${vocab}u + entry.x;
    let bits = logits[at];
    if ((bits & 0x7f800000u) != 0x7f800000u) { logits[at] = bitcast<u32>(bitcast<f32>(bits) + bitcast<f32>(entry.y)); }
  }
}
`;
  return {
    key: kernelKey('bias-logits', variant),
    label: `bias-logits [${vocab}]`,
    wgsl, bindings,
    workgroupSize: invocations,
    needs: {},
  };
}
