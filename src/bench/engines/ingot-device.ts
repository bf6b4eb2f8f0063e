import type { DeviceChoice } from '../../node/device-choice.ts';
import type { EngineSettings } from '../engine.ts';

/** As the library is told. */
export function deviceOf({ device, gpu }: Pick<EngineSettings, 'device' | 'gpu'>): DeviceChoice {
  return gpu === undefined ? device : `gpu:${gpu}`;
}
