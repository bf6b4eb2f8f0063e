/** Where the model lies that comes with the package. */
import { fileURLToPath } from 'node:url';

/** Path of the bundled model's file; the same from sources, from a build and from an installed package. */
export function bundledModelPath(): string {
  return fileURLToPath(new URL('../../models/ember-21m-q4_0.gguf', import.meta.url));
}
