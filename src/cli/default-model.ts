/** The model that is used when none is named. */
import { bundledModelPath } from '../node/bundled-model.ts';

/** INGOT_MODEL where it is set, else the model that comes with the package. */
export function defaultModelPath(): string {
  return process.env['INGOT_MODEL'] || bundledModelPath();
}
