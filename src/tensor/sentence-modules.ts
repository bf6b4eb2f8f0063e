/** The list of modules in which sentence-transformers keeps a model of embeddings: `modules.json`. */
import type { JsonObject, JsonValue } from './checkpoint.ts';
import { FormatError } from './errors.ts';
import { isJsonObject } from './json.ts';
import { parseJson } from './parse-json.ts';

export interface SentenceModule {
  /** Its last word: `sentence_transformers.models.Pooling` is a Pooling. */
  readonly type: string;
  /** Its folder; empty for the model's own. */
  readonly path: string;
}

/** Published ones have five at most; every one is files that have to be opened. */
const MOST_MODULES = 16;

/** @throws FormatError for what is no list of modules, for too many, and for folders that are not below the model's own */
export function parseModules(text: string, where: string): readonly SentenceModule[] {
  const modules = parseJson(text, where);
  const wrong = () => new FormatError(`${where} must be an array of objects with a type and a path.`);
  if (!Array.isArray(modules)) throw wrong();
  if (modules.length > MOST_MODULES) throw new FormatError(`${where} must hold at most ${MOST_MODULES} modules, found ${modules.length}.`);
  const list = (modules as readonly JsonValue[]).map((module) => {
    const { type, path } = isJsonObject(module) ? (module as JsonObject) : {};
    if (typeof type !== 'string' || typeof path !== 'string') throw wrong();
    return { type: type.slice(type.lastIndexOf('.') + 1), path };
  });
  for (const [index, module] of list.entries()) checkPath(module, list.slice(0, index), where);
  return list;
}

/** The model itself lies beside modules.json, every other module in a folder of its own. */
function checkPath({ type, path }: SentenceModule, before: readonly SentenceModule[], where: string): void {
  const shown = JSON.stringify(path.slice(0, 80));
  if (type === 'Transformer' && path !== '')
    throw new FormatError(`${where}: the path of Transformer must be "", the folder of modules.json itself, found ${shown}.`);
  if (path === '' && !['Pooling', 'Dense'].includes(type)) return;
  const isBelow = path.length <= 200 && path.split('/').every((part) => !['', '.', '..'].includes(part) && !/[\\:\0]/.test(part));
  if (!isBelow) throw new FormatError(`${where}: the path of ${type.slice(0, 80)} must be a folder below the model's own, found ${shown}.`);
  if (before.some((other) => other.path === path)) throw new FormatError(`${where} names the folder ${shown} twice.`);
}
