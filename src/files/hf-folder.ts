/** A Hugging Face folder (config.json, safetensors, tokenizer files) as a checkpoint. */
import { FormatError } from '../tensor/errors.ts';
import type { ByteSource, ReadOptions, SourceFolder } from '../tensor/byte-source.ts';
import type { AssetName, Checkpoint, JsonObject, RootAsset } from '../tensor/checkpoint.ts';
import { openRequired } from '../tensor/open-required.ts';
import { closeAll } from './gguf-reader.ts';
import { joinFolder } from './packed/join-folder.ts';
import { readModules, readPart } from './sentence-modules.ts';
import type { ModuleFiles } from './sentence-modules.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { readText } from './read-text.ts';
import { readSafetensors, readShardedSafetensors } from './safetensors-reader.ts';
import type { ShardedTensors } from './safetensors-reader.ts';

const MiB = 1024 * 1024;

/** The files read beside the weights, and the most bytes that each may have. */
const assetLimits: Readonly<Record<RootAsset, number>> = {
  'config.json': 16 * MiB,
  'generation_config.json': 16 * MiB,
  'tokenizer.json': 256 * MiB,
  'tokenizer_config.json': 16 * MiB,
  'chat_template.jinja': 16 * MiB,
  'special_tokens_map.json': 16 * MiB,
  'modules.json': MiB,
  'config_sentence_transformers.json': 16 * MiB,
  'preprocessor_config.json': 16 * MiB,
  'processor_config.json': 16 * MiB,
  'sentence_bert_config.json': MiB,
  'vocab.txt': 16 * MiB,
};

const singleName = 'model.safetensors';
const indexName = 'model.safetensors.index.json';

/**
 * Opens a folder's model. Reads config and tokenizer files and the weights' headers, nothing of the tensors.
 * @param weightsName a `.safetensors` file or an index; by default `model.safetensors`, else its index.
 * @throws FormatError when the folder is incomplete or a file of it is damaged. Sources it opened are then closed.
 */
export async function openHfFolder(folder: SourceFolder, weightsName?: string, options?: ReadOptions): Promise<Checkpoint> {
  const assets = await readAssets(folder, options);
  const config = parseJsonObject(assets.get('config.json')!, `${folder.name}: config.json`);
  const architecture = config['model_type'] ?? classOf(config);
  if (typeof architecture !== 'string' || architecture === '') {
    throw new FormatError(
      `${folder.name}: config.json has no string "model_type", so that the model's kind is unknown. Is it a language model?`,
    );
  }
  const opened: ByteSource[] = [];
  try {
    const { tensors, superseded } = await readWeights(folder, weightsName, opened, options);
    const modules = await readModules(folder, assets.get('modules.json'), opened, options);
    const parts = await readParts(folder, architecture, opened, options);
    return joinFolder({
      format: 'safetensors',
      name: folder.name,
      architecture,
      metadata: new Map(),
      config,
      tensors: new Map([...tensors, ...modules.tensors, ...parts.tensors]),
      superseded,
      assets: new Map([...assets, ...modules.assets, ...parts.assets]),
      sizeBytes: opened.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      close: () => closeAll(opened),
    });
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

/** Folders whose config.json names a class in place of a type, and the folders in which further parts of such models lie. */
export const PART_FOLDERS: Readonly<Record<string, readonly string[]>> = { Lfm2AudioForConditionalGeneration: ['audio_detokenizer'] };

/** The class that config.json names, where that says what the model is. */
function classOf({ architectures }: JsonObject): string | undefined {
  const [name] = Array.isArray(architectures) ? architectures : [];
  return typeof name === 'string' && name in PART_FOLDERS ? name : undefined;
}

/** What lies in the folders of a model's further parts, those that there are. */
async function readParts(
  folder: SourceFolder, architecture: string, opened: ByteSource[], options: ReadOptions | undefined,
): Promise<ModuleFiles> {
  const parts = await Promise.all((PART_FOLDERS[architecture] ?? []).map((path) => readPart(folder, path, opened, options)));
  return {
    assets: new Map(parts.flatMap(({ assets }) => [...assets])), tensors: new Map(parts.flatMap(({ tensors }) => [...tensors])),
  };
}

/** Reads config.json and those of the other text files that are present. */
async function readAssets(folder: SourceFolder, options: ReadOptions | undefined): Promise<Map<AssetName, string>> {
  const names = (Object.keys(assetLimits) as RootAsset[]).filter((name) => name !== 'vocab.txt');
  const texts = await Promise.all(names.map(async (name) => readText(await openAsset(folder, name, options), assetLimits[name], options)));
  const assets = new Map<AssetName, string>();
  for (const [index, text] of texts.entries()) if (text !== undefined) assets.set(names[index]!, text);
  // Of use to a model without the newer file alone.
  const vocabulary = assets.has('tokenizer.json')
    ? undefined
    : await readText(await openAsset(folder, 'vocab.txt', options), assetLimits['vocab.txt'], options);
  if (vocabulary !== undefined) assets.set('vocab.txt', vocabulary);
  return assets;
}

async function openAsset(folder: SourceFolder, name: RootAsset, options: ReadOptions | undefined): Promise<ByteSource | undefined> {
  if (name !== 'config.json') return folder.open(name, options);
  const missing = `${folder.name} has no config.json, which says what model it is`;
  return openRequired(folder, name, { ...options, missing, advice: 'Copy or download it beside the weights.' });
}

async function readWeights(
  folder: SourceFolder,
  weightsName: string | undefined,
  opened: ByteSource[],
  options: ReadOptions | undefined,
): Promise<ShardedTensors> {
  if (weightsName?.endsWith('.json')) return readByIndex(folder, weightsName, opened, options);
  if (weightsName !== undefined && isShard(weightsName)) {
    return readByIndex(folder, weightsName.replace(/-\d{5}-of-\d{5}\.safetensors$/, '.safetensors.index.json'), opened, options);
  }
  const source = await (weightsName === undefined ? folder.open(singleName, options) : openRequired(folder, weightsName, options));
  if (!source) return readByIndex(folder, indexName, opened, options);
  opened.push(source);
  return { tensors: await readSafetensors(source, weightsName ?? singleName, options), superseded: [] };
}

function isShard(fileName: string): boolean {
  return /-\d{5}-of-\d{5}\.safetensors$/.test(fileName);
}

async function readByIndex(
  folder: SourceFolder,
  fileName: string,
  opened: ByteSource[],
  options: ReadOptions | undefined,
): Promise<ShardedTensors> {
  const what = fileName === indexName ? `neither ${singleName} nor ${indexName}` : `no index ${JSON.stringify(fileName)}`;
  const index = await openRequired(folder, fileName, {
    ...options,
    missing: `${folder.name} has ${what}`,
    advice: 'Weights in other formats (such as .bin) must be converted to safetensors first.',
  });
  try {
    return await readShardedSafetensors(folder, index, opened, options);
  } finally {
    await index.close();
  }
}
