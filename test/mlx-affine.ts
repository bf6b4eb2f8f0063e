/** Folders of MLX whose modules are quantised, and the same folders with the values that the codes stand for: written here, not by MLX. */
import { f16ToF32, f32ToF16 } from '../src/tensor/half.ts';
import type { FixtureTensor } from './fixture-tensors.ts';

type Tensors = ReadonlyMap<string, FixtureTensor>;

export interface AffineRule {
  readonly bits: number;
  readonly group_size: number;
}

export interface QuantisedTensors {
  readonly packed: Tensors;
  readonly decoded: Tensors;
}

/**
 * Each matrix of f32 that `ruleFor` has a rule for as `weight`, `scales` and `biases` (f16); the other tensors as they are. Only rows of
 * whole groups are quantised, as mlx-lm does it.
 */
export function quantiseAffine(tensors: Tensors, ruleFor: (module: string) => AffineRule | undefined): QuantisedTensors {
  const packed = new Map<string, FixtureTensor>();
  const decoded = new Map<string, FixtureTensor>();
  for (const [name, tensor] of tensors) {
    const module = name.replace(/\.weight$/, '');
    const cols = tensor.shape.at(-1) as number;
    const rule = module === name || tensor.shape.length < 2 ? undefined : ruleFor(module);
    if (rule === undefined || cols % rule.group_size !== 0) {
      packed.set(name, tensor);
      decoded.set(name, tensor);
      continue;
    }
    const made = quantised(new Float32Array(tensor.bytes.slice().buffer), rule);
    const outer = tensor.shape.slice(0, -1);
    const halves = (bits: Uint16Array): FixtureTensor =>
      ({ dtype: 'F16', shape: [...outer, cols / rule.group_size], bytes: new Uint8Array(bits.buffer) });
    packed.set(name, { dtype: 'U32', shape: [...outer, (cols * rule.bits) / 32], bytes: made.codes });
    packed.set(`${module}.scales`, halves(made.scales));
    packed.set(`${module}.biases`, halves(made.biases));
    decoded.set(name, { ...tensor, bytes: new Uint8Array(made.values.buffer) });
  }
  return { packed, decoded };
}

/** From the least to the largest value of each group. */
function quantised(weights: Float32Array, { bits, group_size: group }: AffineRule) {
  const groups = weights.length / group;
  const [scales, biases] = [new Uint16Array(groups), new Uint16Array(groups)];
  const values = new Float32Array(weights.length);
  const codes = new Uint8Array((weights.length * bits) / 8);
  for (let g = 0; g < groups; g++) {
    const own = weights.subarray(g * group, (g + 1) * group);
    const low = own.reduce((a, b) => Math.min(a, b));
    const high = own.reduce((a, b) => Math.max(a, b));
    scales[g] = f32ToF16(Math.max((high - low) / (2 ** bits - 1), 1e-4));
    biases[g] = f32ToF16(low);
    const [scale, bias] = [f16ToF32(scales[g]!), f16ToF32(biases[g]!)];
    own.forEach((weight, i) => {
      const code = Math.min(2 ** bits - 1, Math.max(0, Math.round((weight - bias) / scale)));
      const at = g * group + i;
      values[at] = scale * code + bias;
      for (let bit = 0; bit < bits; bit++) codes[(at * bits + bit) >> 3]! |= ((code >> bit) & 1) << ((at * bits + bit) & 7);
    });
  }
  return { scales, biases, values, codes };
}
