/** Image files that a person named, as parts of a message. */
import { readFile } from 'node:fs/promises';
import { imagePart } from '../engine/images/image-source.ts';
import { readImageHeader } from '../image/image-header.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import { inputPath } from './input-path.ts';

/** @throws InputError for a file that is not there, FormatError for one that is no image, by its name */
export async function imageParts(files: readonly string[] = []): Promise<JsonObject[]> {
  const parts: JsonObject[] = [];
  for (const file of files) {
    const bytes = new Uint8Array(await readFile(inputPath(file)));
    readImageHeader(bytes, file);
    parts.push(imagePart(bytes));
  }
  return parts;
}
