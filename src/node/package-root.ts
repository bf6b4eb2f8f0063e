/** Where the package lies, and what comes with it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of this package; two up from `src/node` and `dist/node` alike. */
export const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

/** Path of the bundled model's file; the same from sources, from a build and from an installed package. */
export function bundledModelPath(): string {
  return join(packageRoot, 'models', 'ember-21m-q4_0.gguf');
}

/** Path of the voice detector that comes with the package (Silero, MIT). */
export function bundledDetectorPath(): string {
  return join(packageRoot, 'models', 'silero-vad-16k.safetensors');
}

/** The version in a folder's package.json; this package's by default. */
export function packageVersion(folder = packageRoot): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
}
