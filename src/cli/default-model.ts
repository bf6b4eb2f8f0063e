/** The model that is used when none is named. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from './exit-codes.ts';

/** INGOT_MODEL where it is set, else the GGUF file that comes with the package. @throws UsageError where there is neither */
export function defaultModelPath(): string {
  const named = process.env['INGOT_MODEL'];
  if (named) return named;
  const folder = fileURLToPath(new URL('../../models/', import.meta.url));
  const [file] = modelFiles(folder);
  if (file !== undefined) return join(folder, file);
  throw new UsageError('this package came without its bundled model. Name a model (a .gguf file or a Hugging Face folder), or set INGOT_MODEL to one.');
}

function modelFiles(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.gguf')).toSorted();
  } catch {
    return [];
  }
}
