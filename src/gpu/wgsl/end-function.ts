/** The function that the end of a product calls. */
import type { LinearShape } from '../linear-shape.ts';
import { activationFunction, clampFunctions } from './activation.ts';
import { softcapFunction } from './softcap.ts';

/** WGSL of it; '' where a product has none. */
export function endFunction({ gated, clamp, activation }: LinearShape, type: 'f32' | 'vec4<f32>' = 'f32'): string {
  if (gated) return `${activationFunction(gated, type)}${clamp ? `\n${clampFunctions(clamp, type)}` : ''}`;
  if (activation === undefined) return '';
  return activation.fn === 'softcap' ? softcapFunction(activation.cap, type) : activationFunction(activation.fn, type);
}
