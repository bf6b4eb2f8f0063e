/** A folder with a model that speaks: config.json, which need not say the model's kind, and its weights. */
import type { ByteSource, ReadOptions, SourceFolder } from '../tensor/byte-source.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { openRequired } from '../tensor/open-required.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { readText } from './read-text.ts';
import { readSafetensors } from './safetensors-reader.ts';
import { readTorchFile } from './torch-file.ts';

/** Most bytes of its config.json. */
export const MOST_CONFIG_BYTES = 4 * 1024 * 1024;

/** Names that weights have where none was named, in the order in which they are looked for. */
const WEIGHT_NAMES = ['model.safetensors', 'kokoro-v1_0.safetensors', 'kokoro-v1_0.pth', 'kokoro-v1_1-zh.pth'] as const;

/**
 * Opens config.json and the header of the weights, nothing of the tensors. The caller closes it.
 * @param weightsName a `.safetensors` or `.pth` file of the folder; by default one of the names that such models have
 * @throws FormatError where a file is missing or damaged, or of another kind
 */
export async function openVoiceFolder(folder: SourceFolder, weightsName?: string, options?: ReadOptions): Promise<Checkpoint> {
  const source = await openRequired(folder, 'config.json', {
    ...options, missing: `${folder.name} has no config.json, which says what model it is`,
    advice: 'Copy or download it beside the weights.',
  });
  const config = parseJsonObject((await readText(source, MOST_CONFIG_BYTES, options))!, `${folder.name}: config.json`);
  const { weights, fileName } = await openWeights(folder, weightsName, options);
  try {
    const read = /\.safetensors$/i.test(fileName) ? readSafetensors : readTorchFile;
    const kind = config['model_type'];
    return {
      format: 'safetensors', name: folder.name, architecture: typeof kind === 'string' ? kind : 'kokoro', metadata: new Map(), config,
      tensors: await read(weights, fileName, options), assets: new Map(), sizeBytes: weights.sizeBytes, close: () => weights.close(),
    };
  } catch (error) {
    await weights.close();
    throw error;
  }
}

async function openWeights(
  folder: SourceFolder, weightsName: string | undefined, options?: ReadOptions,
): Promise<{ readonly weights: ByteSource; readonly fileName: string }> {
  if (weightsName !== undefined) {
    if (!/\.(safetensors|pth|pt)$/i.test(weightsName))
      throw new FormatError(`${folder.name}: ${JSON.stringify(weightsName)} is not a file of weights: expected .safetensors or .pth.`);
    return { weights: await openRequired(folder, weightsName, options), fileName: weightsName };
  }
  for (const fileName of WEIGHT_NAMES) {
    const weights = await folder.open(fileName, options);
    if (weights !== undefined) return { weights, fileName };
  }
  throw new FormatError(`${folder.name} has no weights: expected ${WEIGHT_NAMES.slice(0, 3).join(', ')} or another; name the file itself.`);
}
