/** Pictures among the ids of a rendered conversation: the place of an image becomes the ids of its pictures, and what is around them. */
import type { Picture, VisionInfo } from '../../models/vision.ts';
import { pictureTokens } from '../../models/vision.ts';
import { FormatError, InputError } from '../../tensor/errors.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { SeenImage } from './image-cache.ts';

/** What a picture's number goes by. */
export type PictureName = Pick<Picture, 'key' | 'rows' | 'columns'>;

export interface PictureIds {
  readonly vision: VisionInfo;
  readonly tokenizer: Tokenizer;
  /** As the engine's pictures have it. */
  idOf(picture: PictureName): number;
}

/** What templates write for an image; GGUF files do not say it. */
const PLACES: Readonly<Record<VisionInfo['family'], string>> = { 'lfm2-vl': '<image>', 'qwen-vl': '<|image_pad|>' };

/**
 * @param ids what the template wrote, an image token for each image
 * @param images in their order
 * @throws InputError where the template has another number of places than there are images, FormatError for a vocabulary without the marks
 */
export function placeImages(ids: readonly number[], images: readonly SeenImage[], of: PictureIds): number[] {
  const { family } = of.vision;
  const imageToken = of.vision.imageToken ?? markOf(PLACES[family], of.tokenizer);
  const places = ids.filter((id) => id === imageToken).length;
  if (places !== images.length) {
    throw new InputError(
      `The chat template has places for ${places} of the ${images.length} images: put images into messages of the user, ` +
        'and none into those of the system, the assistant or a tool.',
    );
  }
  let next = 0;
  return ids.flatMap((id) => (id === imageToken ? idsOf(images[next++] as SeenImage, of) : [id]));
}

function idsOf({ pictures, tiles }: SeenImage, of: PictureIds): number[] {
  const rowsOf = (picture: Picture) => Array<number>(pictureTokens(of.vision, picture)).fill(of.idOf(picture));
  if (of.vision.family === 'qwen-vl') return pictures.flatMap(rowsOf);
  const mark = (text: string) => markOf(text, of.tokenizer);
  const placed = pictures.flatMap((picture, i) => [...tileMark(i, tiles, mark), ...rowsOf(picture)]);
  return [mark('<|image_start|>'), ...placed, mark('<|image_end|>')];
}

/** Rows and columns count from 1; what comes behind the last tile is the thumbnail. */
function tileMark(index: number, tiles: SeenImage['tiles'], mark: (text: string) => number): number[] {
  if (tiles === undefined) return [];
  if (index === tiles.rows * tiles.columns) return [mark('<|img_thumbnail|>')];
  return [mark(`<|img_row_${Math.floor(index / tiles.columns) + 1}_col_${(index % tiles.columns) + 1}|>`)];
}

function markOf(text: string, tokenizer: Tokenizer): number {
  const ids = tokenizer.encodeSegments([{ text, parseSpecial: true }]);
  if (ids.length !== 1) throw new FormatError(`The vocabulary has no token ${text}, which this family puts around images.`);
  return ids[0] as number;
}
