import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { parseModelId } from '../../files/hub/model-id.ts';
import type { ModelId } from '../../files/hub/model-id.ts';

/**
 * What a text means that names a model: an id of the hub, or (undefined) a path or URL. What is there on the disk is a path, and so is what
 * lies in a folder that is there: `models/mine` where there is a folder `models`. `hf:` before it says that it is an id.
 * @throws InputError for what follows `hf:` and is no id
 */
export function hubIdOf(text: string): ModelId | undefined {
  if (text.startsWith('hf:')) return parseModelId(text);
  if (isAbsolute(text) || existsSync(text)) return undefined;
  const slash = text.indexOf('/');
  return slash > 0 && existsSync(text.slice(0, slash)) ? undefined : parseModelId(text);
}
