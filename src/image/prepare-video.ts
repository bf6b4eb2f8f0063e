/** Frames of a video, as Qwen3-VL sees them: a few of them lie side by side in one picture. */
import { InputError } from '../tensor/errors.ts';
import { checkImage } from './image.ts';
import type { Image } from './image.ts';
import type { QwenImageSettings } from './image-settings.ts';
import { checkAspect, roundHalfEven, withinTokens } from './layout-image.ts';
import type { ImageLayout, PictureLimits, Size } from './layout-image.ts';
import { mergeBlockPatches } from './patches.ts';
import type { PatchGrid } from './patches.ts';
import { resizeImage, rgbOf } from './resize-image.ts';
import type { Rgb } from './resize-image.ts';

/** A picture for each {@link QwenImageSettings.temporalPatchSize} frames, and the mean of their times. */
export interface PreparedVideo {
  readonly pictures: readonly PatchGrid[];
  /** Seconds, by picture. */
  readonly times: readonly number[];
}

export interface VideoFrames {
  readonly frames: readonly Image[];
  /** Seconds from the beginning, by frame. */
  readonly times: readonly number[];
}

/** Of `Qwen3VLVideoProcessor` (128 and 768 times 32 x 32 pixels): tokens of all frames together, where two frames share one. */
const VIDEO_TOKENS = { min: 64, max: 384 };

export interface VideoLimits extends PictureLimits {
  /** The processor's own tokens of all frames together, to which it rounds. Default: Qwen3-VL's. */
  readonly ofFamily?: typeof VIDEO_TOKENS | undefined;
  /** Most tokens of one picture, as the tower was loaded for. Default: no limit but that of all. */
  readonly pictureTokens?: number | undefined;
}

/** @throws InputError for no frames, frames of unequal sizes, or times that do not rise */
export function prepareVideo(
  { frames, times }: VideoFrames,
  settings: QwenImageSettings,
  limits: VideoLimits = {},
): PreparedVideo {
  const { where = 'video' } = limits;
  for (const [i, frame] of frames.entries()) checkImage(frame, `${where}, frame ${i}`);
  checkFrames({ frames, times }, where);
  const { temporalPatchSize, filter } = settings;
  const { width, height } = frames[0] as Image;
  const size = layoutVideo({ width, height, count: frames.length }, settings, limits);
  const pictures: PatchGrid[] = [];
  for (let from = 0; from < frames.length; from += temporalPatchSize) {
    const group = frameGroup(from, frames.length, temporalPatchSize);
    const to = { width: size.width, height: size.height, filter };
    const resized = new Map([...new Set(group)].map((at) => [at, resizeImage(rgbOf(frames[at] as Image), to)]));
    pictures.push(mergeBlockPatches(group.map((at) => resized.get(at) as Rgb), settings));
  }
  return { pictures, times: pictureTimes(times, settings) };
}

/** The frames of a picture. The last one stands for those that are missing. */
function frameGroup(from: number, count: number, size: number): readonly number[] {
  return Array.from({ length: size }, (_, i) => Math.min(from + i, count - 1));
}

/** Seconds, by picture: the middle of its first and its last frame. */
export function pictureTimes(times: readonly number[], { temporalPatchSize }: QwenImageSettings): readonly number[] {
  return Array.from({ length: Math.ceil(times.length / temporalPatchSize) }, (_, at) => {
    const group = frameGroup(at * temporalPatchSize, times.length, temporalPatchSize);
    return ((times[group[0] as number] as number) + (times[group.at(-1) as number] as number)) / 2;
  });
}

interface FrameSizes extends Pick<VideoFrames, 'times'> {
  readonly frames: readonly Size[];
}

/** @throws InputError for no frames, frames of unequal sizes, or times that do not rise */
export function checkFrames({ frames, times }: FrameSizes, where: string): void {
  if (frames.length === 0) throw new InputError(`${where}: it has no frames.`);
  if (times.length !== frames.length) throw new InputError(`${where}: ${frames.length} frames need as many times, found ${times.length}.`);
  const [first] = frames as readonly [Size];
  for (const [i, frame] of frames.entries()) {
    if (frame.width !== first.width || frame.height !== first.height)
      throw new InputError(`${where}: frame ${i} has ${frame.width} x ${frame.height} pixels, the first ${first.width} x ${first.height}.`);
    if (!((times[i] as number) >= (times[i - 1] ?? 0)))
      throw new InputError(`${where}: times must be seconds that rise, found ${String(times[i])} for frame ${i}.`);
  }
}

/**
 * How the frames of a video are laid out, without their pixels, as `smart_resize` of transformers' video processor for Qwen3-VL does it:
 * its limits are of all frames together.
 * @throws InputError for frames far longer than wide, or wider than long
 */
export function layoutVideo(
  { count, ...size }: Size & { readonly count: number },
  { temporalPatchSize, patchSize, mergeSize }: QwenImageSettings,
  { maxTokens = Infinity, where = 'video', ofFamily = VIDEO_TOKENS, pictureTokens = Infinity }: VideoLimits = {},
): ImageLayout {
  checkAspect(size, where);
  const block = patchSize * mergeSize;
  const tokenPixels = temporalPatchSize * block * block;
  const asked = maxTokens === Infinity ? ofFamily.max : maxTokens;
  const most = Math.min(asked, (pictureTokens * count) / temporalPatchSize) * tokenPixels;
  const least = Math.min(ofFamily.min * tokenPixels, most);
  const enlarge = Math.max(1, block / size.width, block / size.height);
  const own = { width: Math.trunc(size.width * enlarge), height: Math.trunc(size.height * enlarge) };
  const near = (side: number) => roundHalfEven(side / block) * block;
  const pixels = roundHalfEven(count / temporalPatchSize) * temporalPatchSize * near(own.width) * near(own.height);
  const ratio = Math.sqrt((count * own.width * own.height) / (pixels > most ? most : least));
  const smaller = (side: number) => Math.max(block, Math.floor(side / ratio / block) * block);
  const larger = (side: number) => Math.ceil(side / ratio / block) * block;
  const to = pixels > most ? smaller : pixels < least ? larger : near;
  const pictures = Math.ceil(count / temporalPatchSize);
  // Without a limit that somebody gave, sizes are transformers'. A picture has a token at least, however many there are.
  const rounded = { width: to(own.width), height: to(own.height) };
  const { width, height } = withinTokens(rounded, block, Math.min(maxTokens / pictures, pictureTokens));
  return { width, height, tokens: pictures * (width / block) * (height / block) };
}
