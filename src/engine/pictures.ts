/**
 * Pictures in prompts. A picture stands in a prompt's ids as one number below 0 for each of its tokens, the same number for pictures of the
 * same key: so whatever compares tokens, the index of prefixes first of all, compares pictures.
 */
import { pictureReach, pictureTokens } from '../models/vision.ts';
import type { Picture, VisionTower } from '../models/vision.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';

/** A loaded model's tower, and the numbers of the pictures that it has been asked for. */
export interface Pictures {
  readonly tower: VisionTower;
  /** Below 0; the same for the same key and size, as long as it is among the last that were asked for; never one that another had. */
  idOf(picture: Pick<Picture, 'key' | 'rows' | 'columns'>): number;
}

/** Some megabytes of keys, and far more pictures than pages hold. */
const MOST_IDS = 16_384;

/**
 * @param mostIds how many pictures are known by their numbers. One that was forgotten has another number when it comes again, so that it is
 * computed again: numbers are not given twice, and no kept state can be taken for another picture's.
 */
export function createPictures(tower: VisionTower, mostIds = MOST_IDS): Pictures {
  // The one asked for last is the last.
  const ids = new Map<string, number>();
  let next = -1;
  return {
    tower,
    idOf({ key, rows, columns }) {
      const whole = `${rows}x${columns} ${key}`;
      const id = ids.get(whole) ?? next--;
      ids.delete(whole);
      ids.set(whole, id);
      const [oldest] = ids.keys();
      if (ids.size > mostIds) ids.delete(oldest as string);
      return id;
    },
  };
}

/** A prompt as ids, and the pictures that those below 0 are of. */
export interface PromptPictures {
  readonly ids: readonly number[];
  readonly pictures: ReadonlyMap<number, Picture>;
}

/** @throws InputError for a picture that its tower does not take, CapacityError for one of too many patches */
function checkPicture({ info }: VisionTower, { patches, rows, columns }: Picture, at: number): void {
  const { mergeSize, patchSize, temporalPatchSize, mostPatches } = info;
  const isSide = (side: number) => Number.isSafeInteger(side) && side > 0 && side % mergeSize === 0;
  if (!isSide(rows) || !isSide(columns))
    throw new InputError(`pictures[${at}]: rows and columns must be multiples of ${mergeSize} above 0, found ${rows} x ${columns}.`);
  if (rows * columns > mostPatches)
    throw new CapacityError(
      `pictures[${at}] has ${rows} x ${columns} patches, and the model was loaded for ${mostPatches} a picture: make it smaller, ` +
        `or load the model with mostPatches ${rows * columns}.`,
    );
  const width = 3 * temporalPatchSize * patchSize * patchSize;
  if (patches.length !== rows * columns * width)
    throw new InputError(
      `pictures[${at}]: expected ${rows} x ${columns} patches of ${width} values, found ${patches.length} values in all.`,
    );
}

/** Tokens and pictures in turn, as one prompt. @throws as {@link checkPicture} */
export function promptPictures({ tower, idOf }: Pictures, segments: readonly (readonly number[] | Picture)[]): PromptPictures {
  const ids: number[] = [];
  const pictures = new Map<number, Picture>();
  for (const segment of segments) {
    if (!('patches' in segment)) {
      for (const id of segment) ids.push(id);
      continue;
    }
    checkPicture(tower, segment, pictures.size);
    const id = idOf(segment);
    pictures.set(id, segment);
    for (let i = pictureTokens(tower.info, segment); i > 0; i--) ids.push(id);
  }
  return { ids, pictures };
}

/** A picture's place among a prompt's ids. */
export interface PlacedPicture {
  readonly picture: Picture;
  readonly start: number;
  readonly end: number;
  /** What is added to the positions of its own rows before they turn, and to those of the text behind it. */
  readonly shift: number;
  readonly shiftBehind: number;
}

/** In their order. @throws InputError for ids below 0 that are of no picture, or of a part of one */
export function placePictures(
  { tower }: Pictures, ids: readonly number[], pictures: ReadonlyMap<number, Picture>,
): readonly PlacedPicture[] {
  const placed: PlacedPicture[] = [];
  let shift = 0;
  for (let start = 0; start < ids.length; start++) {
    const id = ids[start] as number;
    if (id >= 0) continue;
    const picture = pictures.get(id);
    const tokens = picture === undefined ? 0 : pictureTokens(tower.info, picture);
    const isWhole = ids.length >= start + tokens && ids.slice(start, start + tokens).every((own) => own === id);
    if (picture === undefined) throw new InputError(`The id ${id} at index ${start} stands for no picture.`);
    if (!isWhole) throw new InputError(`The id ${id} at index ${start} stands for a picture of ${tokens} tokens, which are not there.`);
    const shiftBehind = shift + pictureReach(tower, picture) - tokens;
    placed.push({ picture, start, end: start + tokens, shift, shiftBehind });
    shift = shiftBehind;
    start += tokens - 1;
  }
  return placed;
}

/** The picture that the row at a position is of. */
export function pictureAt(placed: readonly PlacedPicture[] | undefined, position: number): PlacedPicture | undefined {
  return placed?.find(({ start, end }) => start <= position && position < end);
}

/** Where rows of text from `position` on have to end: where the next picture begins. */
export function textEnd(placed: readonly PlacedPicture[] | undefined, position: number, end: number): number {
  const next = placed?.find(({ start }) => start >= position);
  return next === undefined ? end : Math.min(end, next.start);
}

/** What is added to the position of a row of text before it turns. */
export function shiftAt(placed: readonly PlacedPicture[] | undefined, position: number): number {
  return placed?.findLast(({ end }) => end <= position)?.shiftBehind ?? 0;
}
