import { invertWeights } from './invert-weights.ts';
import type { WeightSpec } from './weight-spec.ts';

/** The tensors of a GGUF file of these weights, in order, and what they are of a safetensors file's. */
export function ggufTensors(specs: readonly WeightSpec[], where: string) {
  return invertWeights(specs.map(({ id, gguf, safetensors }) => ({ id, stored: gguf, value: safetensors })), where);
}
