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

/** @throws FormatError for what is no list of modules */
export function parseModules(text: string, where: string): readonly SentenceModule[] {
  const modules = parseJson(text, where);
  const wrong = () => new FormatError(`${where} must be an array of objects with a type and a path.`);
  if (!Array.isArray(modules)) throw wrong();
  return (modules as readonly JsonValue[]).map((module) => {
    const { type, path } = isJsonObject(module) ? (module as JsonObject) : {};
    if (typeof type !== 'string' || typeof path !== 'string') throw wrong();
    return { type: type.slice(type.lastIndexOf('.') + 1), path };
  });
}
