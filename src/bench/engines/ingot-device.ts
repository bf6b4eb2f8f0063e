import type { DeviceChoice } from '../../node/device-choice.ts';
import { tuningUse } from '../../node/tuning-store.ts';
import type { TuningUse } from '../../node/tuning-store.ts';
import type { EngineSettings } from '../engine.ts';

/** As the library is told. */
export function deviceOf({ device, gpu }: Pick<EngineSettings, 'device' | 'gpu'>): DeviceChoice {
  return gpu === undefined ? device : `gpu:${gpu}`;
}

/**
 * What was found before counts; nothing is looked for beside what is timed, whatever INGOT_TUNING says. Undefined where there is nothing to
 * tune.
 */
export function tuningOf({ device }: Pick<EngineSettings, 'device'>): TuningUse | undefined {
  if (device !== 'gpu') return undefined;
  const use = tuningUse(undefined);
  return use === 'background' ? 'stored' : use;
}
