/** The LFM2 models within an LFM2-Audio checkpoint, each as a checkpoint of its own: the backbone, and what makes spectra of codes. */
import type { Checkpoint, JsonObject, MetadataValue, TensorEntry } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { parseLfm2Config } from './lfm2.ts';
import type { Lfm2Config } from './lfm2.ts';

/** The folder in which the vocoder lies, which its tensors' names begin with. */
export const VOCODER_FOLDER = 'audio_detokenizer';

/** What the names of the vocoder's tensors and keys begin with in a GGUF file. */
export const VOCODER_PREFIX = 'vocoder.';

/** Names within a part, and what they are called in the whole: `model.layers.0...` is `lfm.layers.0...`. */
export function backboneName(name: string): string {
  return name.replace(/^model\./, 'lfm.');
}

export function vocoderName(name: string): string {
  return `${VOCODER_FOLDER}.${name.replace(/^model\./, 'lfm.')}`;
}

/** @throws FormatError where config.json has no such object */
export function objectOf(config: JsonObject, key: string, where: string): JsonObject {
  const value = config[key];
  if (value !== undefined && isJsonObject(value)) return value;
  throw new FormatError(`${where}: expected an object ${JSON.stringify(key)} in config.json, found ${typeof value}.`);
}

function renamed(tensors: ReadonlyMap<string, TensorEntry>, prefix: string, own: string): Map<string, TensorEntry> {
  return new Map([...tensors].filter(([name]) => name.startsWith(prefix)).map(([name, entry]) => [own + name.slice(prefix.length), entry]));
}

/** The language model as it is alone. */
export function backbonePart(checkpoint: Checkpoint): Checkpoint {
  const { format, config = {}, name, tensors } = checkpoint;
  if (format === 'gguf') return checkpoint;
  return { ...checkpoint, architecture: 'lfm2', config: objectOf(config, 'lfm', name), tensors: renamed(tensors, 'lfm.', 'model.') };
}

/**
 * The model behind the table of codes, which stands for its table of tokens.
 * @throws FormatError for a folder without one, as those of LFM2-Audio before 2.5 are
 */
export function vocoderPart(checkpoint: Checkpoint): Checkpoint {
  const { format, tensors, metadata, architecture } = checkpoint;
  if (format === 'gguf') {
    const prefix = `${architecture}.${VOCODER_PREFIX}`;
    const own = new Map<string, MetadataValue>();
    for (const [key, value] of metadata) if (key.startsWith(prefix)) own.set(`lfm2.${key.slice(prefix.length)}`, value);
    const parts = renamed(tensors, VOCODER_PREFIX, '');
    const codes = tensors.get(`${VOCODER_PREFIX}codes.weight`);
    if (codes !== undefined) parts.set('token_embd.weight', codes);
    return { ...checkpoint, architecture: 'lfm2', metadata: own, tensors: parts };
  }
  const parts = renamed(tensors, `${VOCODER_FOLDER}.lfm.`, 'model.');
  const codes = tensors.get(`${VOCODER_FOLDER}.emb.emb.weight`);
  if (codes === undefined) throw noVocoder(checkpoint);
  return {
    ...checkpoint, architecture: 'lfm2', config: vocoderConfig(checkpoint),
    tensors: new Map([...parts, ['model.embed_tokens.weight', codes]]),
  };
}

function noVocoder({ name }: Checkpoint): FormatError {
  return new FormatError(
    `${name}: expected ${VOCODER_FOLDER}/config.json and ${VOCODER_FOLDER}/model.safetensors, which make sound of codes, found neither. ` +
      'LFM2-Audio before 2.5 makes sound by Mimi, which is not supported: get LFM2.5-Audio.',
  );
}

/** Its layers are called sliding where they have attention: all of them see the same window (liquid_audio's detokenizer.py). */
function vocoderConfig(checkpoint: Checkpoint): JsonObject {
  const text = checkpoint.assets.get(`${VOCODER_FOLDER}/config.json`);
  if (text === undefined) throw noVocoder(checkpoint);
  const config = parseJsonObject(text, `${checkpoint.name}: ${VOCODER_FOLDER}/config.json`);
  const types = config['layer_types'];
  const layerTypes = Array.isArray(types) ? types.map((type) => (type === 'sliding_attention' ? 'full_attention' : type)) : (types ?? null);
  // The table is that of codes.
  return { ...config, layer_types: layerTypes, vocab_size: null, sliding_window: null };
}

/** Positions that the vocoder's attention sees where its config does not say. */
const DEFAULT_WINDOW = 30;

/** @throws FormatError for a window that is none */
export function parseVocoder(checkpoint: Checkpoint): Lfm2Config {
  const part = vocoderPart(checkpoint);
  const config = parseLfm2Config(part);
  if (checkpoint.format === 'gguf') return config;
  const { sliding_window: given } = parseJsonObject(part.assets.get(`${VOCODER_FOLDER}/config.json`)!, part.name);
  const size = given ?? DEFAULT_WINDOW;
  if (typeof size !== 'number' || !(Number.isInteger(size) && size >= 1))
    throw new FormatError(`${part.name}: sliding_window of ${VOCODER_FOLDER} must be 1 or more positions, found ${JSON.stringify(size)}.`);
  return { ...config, window: { size, layers: Array.from({ length: config.layers }, () => true) } };
}
