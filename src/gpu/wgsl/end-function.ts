/** The function that the end of a product calls. */
import type { LinearShape } from '../linear-shape.ts';
import { activationFunction, clampFunctions } from './activation.ts';
import { softcapFunction } from './softcap.ts';

/** WGSL of it, of f32; '' where a product has none. */
export function endFunction({ gated, clamp, activation }: LinearShape): string {
  if (gated) return `${activationFunction(gated)}${clamp ? `\n${clampFunctions(clamp)}` : ''}`;
  if (activation === undefined) return '';
  return activation.fn === 'softcap' ? softcapFunction(activation.cap, 'f32') : activationFunction(activation.fn);
}
