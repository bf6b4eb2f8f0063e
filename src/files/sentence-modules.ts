/** What lies in the folders of sentence-transformers' modules: their settings, and the weights of those that have some. */
import type { ByteSource, ReadOptions, SourceFolder } from '../tensor/byte-source.ts';
import type { ModuleAsset, TensorEntry } from '../tensor/checkpoint.ts';
import { parseModules } from '../tensor/sentence-modules.ts';
import { readText } from './read-text.ts';
import { readSafetensors } from './safetensors-reader.ts';

const MOST_CONFIG_BYTES = 2 ** 20;

export interface ModuleFiles {
  readonly assets: ReadonlyMap<ModuleAsset, string>;
  /** By names with the folder before them: `2_Dense.linear.weight`. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
}

/**
 * Reads what `modules.json` names; of weights their headers.
 * @param list text of modules.json, where there is one
 * @throws FormatError for a file that is damaged
 */
export async function readModules(
  folder: SourceFolder,
  list: string | undefined,
  opened: ByteSource[],
  options: ReadOptions | undefined,
): Promise<ModuleFiles> {
  const modules = list === undefined ? [] : parseModules(list, `${folder.name}: modules.json`);
  const parts: ModuleFiles[] = [];
  for (const { path } of modules.filter((module) => module.path !== '')) parts.push(await readPart(folder, path, opened, options));
  return {
    assets: new Map(parts.flatMap(({ assets }) => [...assets])), tensors: new Map(parts.flatMap(({ tensors }) => [...tensors])),
  };
}

/** What lies in one folder of a model's: nothing where it has no config.json. */
export async function readPart(
  folder: SourceFolder, path: string, opened: ByteSource[], options: ReadOptions | undefined,
): Promise<ModuleFiles> {
  const assets = new Map<ModuleAsset, string>();
  const tensors = new Map<string, TensorEntry>();
  const name = `${path}/config.json` as const;
  const text = await readText(await folder.open(name, options), MOST_CONFIG_BYTES, options);
  if (text === undefined) return { assets, tensors };
  assets.set(name, text);
  const weights = await folder.open(`${path}/model.safetensors`, options);
  if (weights === undefined) return { assets, tensors };
  opened.push(weights);
  for (const [own, entry] of await readSafetensors(weights, `${path}/model.safetensors`, options))
    tensors.set(`${path}.${own}`, { ...entry, name: `${path}.${own}` });
  return { assets, tensors };
}
