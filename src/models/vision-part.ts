/** The tower in a checkpoint that holds one, or in the file of a projector beside it, under the names that its family knows. */
import type { Checkpoint, JsonObject, TensorEntry } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import { metadataString } from '../tensor/metadata.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { jsonNumber } from './config-fields.ts';
import type { VisionInfo } from './vision.ts';

/** What a tower is read from. */
export interface VisionPart {
  /** Its tensors are called `vision...` and `projector...` whatever the folder's prefixes; a projector's GGUF file is as it is. */
  readonly checkpoint: Checkpoint;
  /** Width of the language model. */
  readonly outDim: number;
  /** Most patches of a picture, where somebody says it; else as many as a family's pictures have, and no more than `usualPatches`. */
  readonly mostPatches?: number | undefined;
  readonly usualPatches: number;
}

/** Which tower a checkpoint has: `model_type` of a folder, `clip.projector_type` of a GGUF file. */
export interface FoundTower {
  readonly kind: string;
  readonly checkpoint: Checkpoint;
}

/** What `clip.projector_type` and its older key are called. */
const PROJECTOR_KEYS = ['clip.vision.projector_type', 'clip.projector_type'];

const PREFIXES: readonly (readonly [pattern: RegExp, own: string])[] = [
  [/^(model\.)?(visual|vision_tower)\.(vision_model\.)?/, 'vision.'],
  [/^(model\.)?vision_model\./, 'vision.'],
  [/^(model\.)?multi_modal_projector\./, 'projector.'],
];

function ownName(name: string): string | undefined {
  const found = PREFIXES.find(([pattern]) => pattern.test(name));
  return found && name.replace(...found);
}

/** Whether a tensor of a folder is the tower's. */
export function isVisionTensor(name: string): boolean {
  return ownName(name) !== undefined;
}

/** @throws FormatError for a projector that does not say what it is */
export function findTower(whole: Checkpoint): FoundTower | undefined {
  const { format, projector, config = {}, tensors, architecture } = whole;
  if (format === 'gguf') return projector && { kind: projectorType(projector.checkpoint), checkpoint: projector.checkpoint };
  if (!isJsonObject(config['vision_config'])) return undefined;
  const own = new Map<string, TensorEntry>();
  for (const [name, entry] of tensors) {
    const called = ownName(name);
    if (called !== undefined) own.set(called, entry);
  }
  if (own.size === 0) return undefined;
  return { kind: architecture.replaceAll('-', '_'), checkpoint: { ...whole, tensors: own, superseded: [] } };
}

function projectorType({ architecture, metadata, name }: Checkpoint): string {
  if (architecture !== 'clip')
    throw new FormatError(
      `${name}: expected a projector (general.architecture "clip", as mmproj files have it), found ${JSON.stringify(architecture)}.`,
    );
  for (const key of PROJECTOR_KEYS) {
    const type = metadataString(metadata, key, name);
    if (type !== undefined) return type;
  }
  throw new FormatError(`${name}: expected ${PROJECTOR_KEYS[1]}, which says what the tower is, found nothing.`);
}

/** The settings of the tower alone, as `configFields` reads them. */
export function visionFields(checkpoint: Checkpoint): Checkpoint {
  if (checkpoint.format === 'gguf') return { ...checkpoint, architecture: 'clip.vision' };
  return { ...checkpoint, config: checkpoint.config?.['vision_config'] as JsonObject };
}

/** The settings of the image processor beside the weights; none where the folder has none. */
function processorOf({ assets, name }: Checkpoint): JsonObject {
  const whole = assets.get('processor_config.json');
  if (whole !== undefined) {
    const own = parseJsonObject(whole, `${name}: processor_config.json`)['image_processor'];
    if (own !== undefined && isJsonObject(own)) return own;
  }
  const text = assets.get('preprocessor_config.json');
  return text === undefined ? {} : parseJsonObject(text, `${name}: preprocessor_config.json`);
}

/** Three numbers, one a colour; 0.5 where nothing is said. */
function colours(value: unknown): readonly number[] {
  const list = Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<unknown>) : [];
  return list.length === 3 && list.every((one) => typeof one === 'number' && Number.isFinite(one)) ? (list as number[]) : [0.5, 0.5, 0.5];
}

export function visionInfo(
  { checkpoint, usualPatches, ...part }: VisionPart,
  sizes: Pick<VisionInfo, 'family' | 'patchSize' | 'mergeSize' | 'temporalPatchSize'> & {
    readonly ownPatches?: (processor: JsonObject) => number;
  },
): VisionInfo {
  const { ownPatches = () => Infinity, ...own } = sizes;
  const { format, metadata, config = {}, name } = checkpoint;
  const isGguf = format === 'gguf';
  const processor = isGguf ? {} : processorOf(checkpoint);
  const ofColours = (key: string) => colours(isGguf ? metadata.get(`clip.vision.${key}`) : processor[key]);
  return {
    ...own, processor, mean: ofColours('image_mean'), std: ofColours('image_std'),
    mostPatches: part.mostPatches ?? Math.min(ownPatches(processor), usualPatches),
    imageToken: isGguf ? undefined : (jsonNumber(config, 'image_token_id', name) ?? jsonNumber(config, 'image_token_index', name)),
  };
}
