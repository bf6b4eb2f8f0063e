/** How a family prepares images: `preprocessor_config.json`, or the `image_processor` of `processor_config.json`. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import type { ResizeFilter } from './resize-image.ts';

/** What both families ask. */
interface CommonSettings {
  /** Pixels of a patch's side. */
  readonly patchSize: number;
  /** Patches of the side of a block that becomes one token. */
  readonly mergeSize: number;
  readonly filter: ResizeFilter;
  /** By colour: a value v of 0 to 1 becomes (v - mean) / std. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Tokens of an image, or of a tile's thumbnail. */
  readonly minTokens: number;
  readonly maxTokens: number;
}

/** LFM2-VL and LFM2.5-VL: large images are cut into tiles. */
export interface Lfm2ImageSettings extends CommonSettings {
  readonly family: 'lfm2-vl';
  readonly splits: boolean;
  readonly minTiles: number;
  readonly maxTiles: number;
  readonly tileSize: number;
  readonly hasThumbnail: boolean;
  /** An image is large from so many times the pixels of `maxTokens`. */
  readonly tolerance: number;
}

/** Qwen-VL: one image of as many patches as it has, and frames of videos in groups of `temporalPatchSize`. */
export interface QwenImageSettings extends CommonSettings {
  readonly family: 'qwen-vl';
  readonly temporalPatchSize: number;
}

export type ImageSettings = Lfm2ImageSettings | QwenImageSettings;

/** What is known of the tower that the images are for. */
export interface TowerImages {
  readonly family: ImageSettings['family'];
  readonly patchSize: number;
  readonly mergeSize: number;
  readonly temporalPatchSize: number;
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
  /** As the file has it; empty where there is none. */
  readonly processor: JsonObject;
}

/** PIL's numbers of filters. */
const FILTERS: Readonly<Record<number, ResizeFilter>> = { 2: 'bilinear', 3: 'bicubic' };

/**
 * Defaults are those of transformers' processors (lfm2_vl and qwen2_vl).
 * @throws FormatError for settings that are none, or say something else than the tower
 */
export function readImageSettings(tower: TowerImages): ImageSettings {
  const { family, patchSize, mergeSize, temporalPatchSize } = tower;
  const read = reader(tower.processor);
  read.same(['patch_size', 'encoder_patch_size'], patchSize);
  read.same(['merge_size', 'downsample_factor'], mergeSize);
  read.same(['temporal_patch_size'], temporalPatchSize);
  for (const name of ['do_resize', 'do_rescale', 'do_normalize']) read.same([name], true);
  read.same(['rescale_factor'], 1 / 255);
  const common = {
    patchSize, mergeSize,
    filter: read.filter(family === 'qwen-vl' ? 'bicubic' : 'bilinear'),
    mean: read.colours('image_mean', tower.mean), std: read.colours('image_std', tower.std),
  };
  if (family === 'qwen-vl') {
    const blockPixels = (patchSize * mergeSize) ** 2;
    const { min, max } = read.edges();
    return { family, ...common, temporalPatchSize, minTokens: min / blockPixels, maxTokens: max / blockPixels };
  }
  const splits = read.flag('do_image_splitting', true);
  const tileSize = read.count('tile_size', 512);
  const block = patchSize * mergeSize;
  if (tileSize % block !== 0)
    throw new FormatError(`preprocessor_config.json: tile_size must be whole blocks of ${block} pixels, found ${tileSize}.`);
  return {
    family, ...common, splits,
    minTiles: read.count('min_tiles', 2), maxTiles: read.count('max_tiles', 10), tileSize,
    hasThumbnail: read.flag('use_thumbnail', true), tolerance: read.number('max_pixels_tolerance', 2),
    minTokens: read.count('min_image_tokens', 64), maxTokens: read.count('max_image_tokens', 256),
  };
}

/** Of `Qwen2VLImageProcessor`: the least and the most pixels. */
const QWEN_PIXELS = { min: 56 * 56, max: 28 * 28 * 1280 };

function reader(processor: JsonObject) {
  const fail = (name: string, expected: string): never => {
    throw new FormatError(`preprocessor_config.json: ${name} must be ${expected}, found ${JSON.stringify(processor[name])}.`);
  };
  const number = (name: string, fallback: number): number => {
    const value = processor[name] ?? fallback;
    return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : fail(name, 'a number above 0');
  };
  return {
    number,
    count(name: string, fallback: number): number {
      const value = number(name, fallback);
      return Number.isSafeInteger(value) ? value : fail(name, 'a whole number');
    },
    flag(name: string, fallback: boolean): boolean {
      const value = processor[name] ?? fallback;
      return typeof value === 'boolean' ? value : fail(name, 'true or false');
    },
    same(names: readonly string[], expected: JsonValue): void {
      for (const name of names) {
        const value = processor[name] ?? expected;
        const isSame = typeof value === 'number' && typeof expected === 'number' ? Math.abs(value - expected) < 1e-9 : value === expected;
        if (!isSame) fail(name, `${JSON.stringify(expected)}, as the model's tower has it`);
      }
    },
    filter(fallback: ResizeFilter): ResizeFilter {
      const value = processor['resample'];
      if (value === undefined || value === null) return fallback;
      return FILTERS[value as number] ?? fail('resample', '2 (bilinear) or 3 (bicubic)');
    },
    colours(name: string, fallback: readonly number[] = [0.5, 0.5, 0.5]): readonly number[] {
      const value = processor[name] ?? fallback;
      const isSound = Array.isArray(value) && value.length === 3 && value.every((one) => typeof one === 'number' && Number.isFinite(one));
      return isSound && !(name === 'image_std' && value.includes(0)) ? (value as number[]) : fail(name, 'three numbers');
    },
    /** `size` of newer files goes before `min_pixels` and `max_pixels` of older ones. */
    edges(): { min: number; max: number } {
      const size = isJsonObject(processor['size']) ? processor['size'] : {};
      const min = size['shortest_edge'] ?? processor['min_pixels'] ?? QWEN_PIXELS.min;
      const max = size['longest_edge'] ?? processor['max_pixels'] ?? QWEN_PIXELS.max;
      const isSound = typeof min === 'number' && typeof max === 'number' && min > 0 && min <= max && Number.isFinite(max);
      return isSound ? { min, max } : fail('size', 'a shortest_edge above 0 and a longest_edge above that, in pixels');
    },
  };
}
