/** What a loaded model that sees has for images of conversations. */
import { readImageSettings } from '../../image/image-settings.ts';
import type { ImageSettings } from '../../image/image-settings.ts';
import type { ImageDecoder } from '../../image/image-decoder.ts';
import type { VisionInfo } from '../../models/vision.ts';
import { InputError } from '../../tensor/errors.ts';
import { checkInteger, checkOptionNames } from '../../tensor/option-names.ts';
import type { NamesOf } from '../../tensor/option-names.ts';
import type { Pictures } from '../pictures.ts';
import { createImageCache } from './image-cache.ts';
import type { ImageLimits } from './image-cache.ts';
import type { Seeing } from './see-messages.ts';

export interface SeeingOptions {
  /** Undefined for a model that sees nothing. */
  readonly vision: VisionInfo | undefined;
  readonly idOf: Pictures['idOf'];
  readonly limits: ImageLimits | undefined;
  readonly decoder: ImageDecoder | undefined;
}

const LIMIT_NAMES: NamesOf<ImageLimits> = { cacheBytes: true, maxPixels: true, maxTotalPixels: true, maxTokens: true, maxImages: true };

/**
 * Undefined for a model that sees nothing.
 * @throws InputError for limits that cannot be meant, and for limits beside such a model; FormatError for settings of the model's files
 */
export function openSeeing({ vision, idOf, limits, decoder }: SeeingOptions): Seeing | undefined {
  if (limits !== undefined) {
    checkOptionNames(limits, LIMIT_NAMES, 'images');
    for (const name of Object.keys(LIMIT_NAMES) as (keyof ImageLimits)[])
      checkInteger(`images.${name}`, limits[name], { min: name === 'cacheBytes' ? 0 : 1 });
  }
  if (vision === undefined) {
    if (limits !== undefined) throw new InputError('images is for a model that sees, and this one has no tower: leave it out.');
    return undefined;
  }
  const pictureTokens = Math.floor(vision.mostPatches / vision.mergeSize ** 2);
  if (pictureTokens < 1) {
    const least = vision.mergeSize ** 2;
    throw new InputError(`mostPatches must be at least ${least}, the patches of one token of this model, found ${vision.mostPatches}.`);
  }
  const settings = withinPatches(readImageSettings(vision), pictureTokens);
  const cache = createImageCache({ ...limits, settings, decoder, pictureTokens });
  return { vision, idOf, maxImages: limits?.maxImages, pixels: limits ?? {}, cache };
}

/** An image is made no larger than the tower was loaded for, and seen whole where a tile would be larger. */
function withinPatches(settings: ImageSettings, most: number): ImageSettings {
  const own = settings.maxTokens <= most ? settings : { ...settings, maxTokens: most, minTokens: Math.min(settings.minTokens, most) };
  if (own.family === 'qwen-vl') return own;
  const isTile = (own.tileSize / (own.patchSize * own.mergeSize)) ** 2 <= most;
  return isTile ? own : { ...own, splits: false };
}
