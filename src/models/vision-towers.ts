/** The towers that are known, by what folders and projectors call them. */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { qwenVisionTower } from './qwen-vision.ts';
import { siglip2Tower } from './siglip2.ts';
import type { VisionTower } from './vision.ts';
import { findTower } from './vision-part.ts';
import type { FoundTower, VisionPart } from './vision-part.ts';

const TOWERS: Readonly<Record<string, (part: VisionPart) => VisionTower>> = {
  lfm2_vl: siglip2Tower,
  lfm2: siglip2Tower,
  qwen3_vl: qwenVisionTower,
  qwen3_5: qwenVisionTower,
  qwen3_5_moe: qwenVisionTower,
  qwen3vl_merger: qwenVisionTower,
};

/**
 * The tower of a checkpoint; undefined where there is none that is known.
 * @throws FormatError for a projector of an unknown kind that the user has named
 */
export function knownTower(whole: Checkpoint): FoundTower | undefined {
  const found = findTower(whole);
  if (found === undefined || Object.hasOwn(TOWERS, found.kind)) return found;
  if (whole.projector?.isNamed !== true) return undefined;
  throw new FormatError(
    `${found.checkpoint.name}: a projector of the kind ${JSON.stringify(found.kind.slice(0, 80))} is not supported; supported: ` +
      `${Object.keys(TOWERS).join(', ')}. Load the model without it to use its text part.`,
  );
}

/** @throws FormatError for settings that cannot be meant */
export function openTower({ kind, checkpoint }: FoundTower, sizes: Omit<VisionPart, 'checkpoint'>): VisionTower {
  const open = TOWERS[kind];
  if (open === undefined) throw new Error(`no tower is called ${kind}`);
  return open({ checkpoint, ...sizes });
}
