/** Which quantisation of a model would fit, where the one that was asked for does not. */
import { CapacityError } from '../tensor/errors.ts';

/**
 * Node, the GPU's library, compiled kernels and buffers of a step: between 0.2 GB (Ember on the CPU) and 0.5 GB (a 4B on a GPU) of resident
 * memory beyond weights and states.
 */
export const RUNTIME_BYTES = 0.5e9;

/** Types from most to fewest bits a weight (docs/formats.md), a K-mix by what its files have. */
const TYPES: readonly (readonly [string, number])[] = [
  ['f16', 16],
  ['q8_0', 8.5],
  ['q6_k', 6.6],
  ['q5_k_m', 5.7],
  ['q4_k_m', 4.85],
  ['q4_0', 4.5],
  ['iq4_xs', 4.3],
  ['q3_k_m', 3.9],
  ['q2_k', 2.8],
];

/** The largest type of weights of so many bits at most. */
export function largestType(bits: number): string | undefined {
  return TYPES.find(([, each]) => each <= bits)?.[0];
}

export interface RefusedModel {
  readonly parameters: number;
  readonly weightBytes: number;
  /** Of one conversation of the context, and what else stands beside the weights. */
  readonly otherBytes: number;
  readonly contextLength: number;
}

/** A sentence on what would fit in so many bytes; empty where the weights are not what is too much. */
export function fittingAdvice({ parameters, weightBytes, otherBytes, contextLength }: RefusedModel, availableBytes: number): string {
  if (parameters === 0) return '';
  const bits = (8 * (availableBytes - otherBytes)) / parameters;
  if (bits >= (8 * weightBytes) / parameters) return '';
  const type = largestType(bits);
  const beside = `beside a conversation of ${contextLength} tokens`;
  if (type === undefined) return ` No quantisation of it fits ${beside}: take a smaller model, or a smaller context.`;
  return ` The largest quantisation of it that fits ${beside} is ${type}.`;
}

/** Does `load`; where a device refuses it for want of memory, the error says what would fit. */
export async function withFittingAdvice<Result>(refused: () => RefusedModel, load: () => Promise<Result>): Promise<Result> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof CapacityError) || error.availableBytes === undefined) throw error;
    const model = refused();
    const advice = fittingAdvice({ ...model, otherBytes: model.otherBytes + RUNTIME_BYTES }, error.availableBytes);
    throw new CapacityError(`${error.message}${advice}`, { cause: error, availableBytes: error.availableBytes });
  }
}
