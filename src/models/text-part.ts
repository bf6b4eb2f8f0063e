/** The text model in a checkpoint that holds more than one, under the names that its family knows. */
import type { Checkpoint, JsonObject, SkippedTensor, TensorEntry } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import { metadataNumber } from '../tensor/metadata.ts';

const DRAFT_REASON = 'of the head that predicts several tokens, which is kept for later';

/** What lies beside the text model: towers of other senses, what joins them to it, heads that draft. */
const OTHER_PARTS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /^(model\.)?(visual|vision_tower|vision_model|embed_vision|multi_modal_projector|vision_embed_tokens)\./,
    'of the vision tower: only the text part is loaded',
  ],
  [/^(model\.)?(audio_tower|embed_audio|audio_model)\./, 'of the audio tower: only the text part is loaded'],
  [/^(model\.)?mtp\./, DRAFT_REASON],
];

/** The key of a tower's settings. */
export const DEEP_LAYERS = 'deepstack_visual_indexes';

/** Where newer and older folders keep the text model, and what it is called alone. */
const TEXT_PREFIX = /^(?:model\.)?language_model\.(?:model\.)?/;

/** Settings of the whole that hold for its text part, where that does not say otherwise. */
const SHARED_SETTINGS = [
  'tie_word_embeddings', 'eos_token_id', 'bos_token_id', 'pad_token_id', 'torch_dtype', 'dtype', 'quantization', 'quantization_config',
];

/**
 * A Hugging Face folder as its text model alone: the settings of `text_config`, tensors called `model.layers...` whatever their prefix,
 * and those of other parts left out, with the reason. A GGUF file without the layers that draft tokens.
 */
export function textPart(checkpoint: Checkpoint): Checkpoint {
  if (checkpoint.format !== 'safetensors') return withoutDraftLayers(checkpoint);
  const { config = {} } = checkpoint;
  const isBare = checkpoint.tensors.has('embed_tokens.weight');
  const own = config['text_config'];
  const tensors = new Map<string, TensorEntry>();
  const left: SkippedTensor[] = [...(checkpoint.superseded ?? [])];
  for (const [name, entry] of checkpoint.tensors) {
    const other = OTHER_PARTS.find(([pattern]) => pattern.test(name));
    if (other === undefined) tensors.set(textName(name, isBare), entry);
    else left.push({ name, reason: other[1] });
  }
  if (!isJsonObject(own)) return { ...checkpoint, tensors, superseded: left };
  const shared = SHARED_SETTINGS.filter((key) => config[key] !== undefined).map((key) => [key, config[key]] as const);
  const settings: JsonObject = { ...Object.fromEntries(shared), ...deepLayers(config['vision_config']), ...own };
  const kind = own['model_type'];
  const architecture = typeof kind === 'string' ? kind : checkpoint.architecture;
  return { ...checkpoint, architecture, config: settings, tensors, superseded: left };
}

/** The tower's layers that give the language model's first layers more of a picture, which that is told of (Qwen3-VL). */
function deepLayers(vision: JsonObject[string]): JsonObject {
  const layers = vision !== undefined && isJsonObject(vision) ? vision[DEEP_LAYERS] : undefined;
  return Array.isArray(layers) && layers.length > 0 ? { [DEEP_LAYERS]: layers } : {};
}

/** `isBare`: the model lies without its head, and so without a prefix, as sentence-transformers save it. */
function textName(name: string, isBare: boolean): string {
  if (TEXT_PREFIX.test(name)) {
    const rest = name.replace(TEXT_PREFIX, '');
    return rest.startsWith('lm_head.') ? rest : `model.${rest}`;
  }
  return isBare && /^(embed_tokens|layers|norm)\./.test(name) ? `model.${name}` : name;
}

/** How many of a GGUF file's layers, the last ones, are heads that draft tokens. @throws FormatError where no other layer is left */
export function draftLayersOf({ format, metadata, architecture, name }: Checkpoint): number {
  if (format !== 'gguf') return 0;
  const key = `${architecture}.nextn_predict_layers`;
  const count = metadataNumber(metadata, key, name) ?? 0;
  const all = metadataNumber(metadata, `${architecture}.block_count`, name) ?? 0;
  if (count === 0 || (Number.isSafeInteger(count) && count > 0 && count < all)) return count;
  throw new FormatError(`${name}: ${key} must be a number of layers below ${all}, found ${count}.`);
}

/** @throws FormatError for a layer of the model that is said to be a head */
function withoutDraftLayers(checkpoint: Checkpoint): Checkpoint {
  const drafts = draftLayersOf(checkpoint);
  if (drafts === 0) return checkpoint;
  const { metadata, architecture, name: where, superseded = [] } = checkpoint;
  const first = (metadataNumber(metadata, `${architecture}.block_count`, where) ?? 0) - drafts;
  const layerOf = (name: string) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
  const isDraft = (name: string) => layerOf(name) >= first;
  const names = [...checkpoint.tensors.keys()];
  // Files may have lost all tensors of a head; a layer that has others only is one of the model's own.
  const own = names.find((name) => isDraft(name) && !checkpoint.tensors.has(`blk.${layerOf(name)}.nextn.eh_proj.weight`));
  if (own !== undefined) {
    throw new FormatError(
      `${where}: ${architecture}.nextn_predict_layers ${drafts} makes layer ${layerOf(own)} a head that drafts tokens: expected tensor ` +
        `blk.${layerOf(own)}.nextn.eh_proj.weight, found none beside ${own}. The file's metadata and weights do not belong together.`,
    );
  }
  return {
    ...checkpoint,
    tensors: new Map([...checkpoint.tensors].filter(([name]) => !isDraft(name))),
    superseded: [...superseded, ...names.filter(isDraft).map((name) => ({ name, reason: DRAFT_REASON }))],
  };
}
