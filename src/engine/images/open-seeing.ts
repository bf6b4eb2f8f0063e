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
  const settings = withinPatches(readImageSettings(vision), vision);
  return { vision, idOf, maxImages: limits?.maxImages, pixels: limits ?? {}, cache: createImageCache({ ...limits, settings, decoder }) };
}

/** An image is made no larger than the tower was loaded for; tiles have a size of their own. */
function withinPatches(settings: ImageSettings, { mostPatches, mergeSize }: VisionInfo): ImageSettings {
  const most = Math.floor(mostPatches / mergeSize ** 2);
  if (settings.family === 'lfm2-vl' || settings.maxTokens <= most) return settings;
  return { ...settings, maxTokens: most, minTokens: Math.min(settings.minTokens, most) };
}
