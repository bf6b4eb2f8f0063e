/** Voices of a model that speaks: rows of styles, one for each length of text, and blends of them. */
import { FormatError, InputError } from '../../tensor/errors.ts';
import { describeValue } from '../../tensor/option-names.ts';

export interface VoicePack {
  readonly name: string;
  /** [rows, width]. */
  readonly values: Float32Array;
  readonly width: number;
}

/** Names and how much of each: `{ af_heart: 2, af_bella: 1 }`. */
export type VoiceBlend = Readonly<Record<string, number>>;

/**
 * @param shape of the file's tensor: [rows, 1, width] or [rows, width]. @throws FormatError for another shape, and values that are no
 * numbers
 */
export function voicePack(name: string, values: Float32Array, shape: readonly number[], width: number): VoicePack {
  const [rows = 0, ...rest] = shape;
  const inner = rest.reduce((product, size) => product * size, 1);
  if (rest.length === 0 || rest.length > 2 || inner !== width || (rest.length === 2 && rest[0] !== 1) || rows < 1)
    throw new FormatError(`voice ${name}: expected [rows, 1, ${width}], found [${shape.join(', ')}]. It is of another model.`);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0)
    throw new FormatError(`voice ${name}: expected numbers, found ${values[wrong]} in row ${Math.floor(wrong / width)}. It is damaged.`);
  return { name, values, width };
}

/** The row for a text of so many phonemes, or the last one. */
export function voiceRow({ values, width }: VoicePack, phonemes: number): Float32Array {
  const row = Math.min(Math.max(phonemes, 1), values.length / width) - 1;
  return values.subarray(row * width, (row + 1) * width);
}

/**
 * Names and shares that add up to 1. A text is a name, or `af_heart:2,af_bella` (a share of 1 where none is said).
 * @throws InputError for no name, a name twice, and shares that are no numbers above 0
 */
export function parseVoice(voice: string | VoiceBlend): ReadonlyMap<string, number> {
  const parts: readonly (readonly [string, number])[] = typeof voice === 'string' ? voice.split(',').map(partOf) : entriesOf(voice);
  const shares = new Map<string, number>();
  for (const [name, share] of parts) {
    if (name === '') throw new InputError(`voice must name a voice, found ${describeValue(voice)}.`);
    if (!(Number.isFinite(share) && share > 0))
      throw new InputError(`voice: the share of ${JSON.stringify(name)} must be above 0, found ${share}.`);
    if (shares.has(name)) throw new InputError(`voice: ${JSON.stringify(name)} is named twice.`);
    shares.set(name, share);
  }
  if (shares.size === 0) throw new InputError('voice must name at least one voice, found none.');
  const total = [...shares.values()].reduce((sum, share) => sum + share, 0);
  return new Map([...shares].map(([name, share]) => [name, share / total]));
}

function partOf(part: string): readonly [string, number] {
  const [name = '', share, ...more] = part.trim().split(':');
  if (more.length > 0) throw new InputError(`voice: expected name or name:share, found ${JSON.stringify(part)}.`);
  return [name.trim(), share === undefined ? 1 : share.trim() === '' ? NaN : Number(share)];
}

function entriesOf(voice: VoiceBlend): readonly (readonly [string, number])[] {
  if (typeof voice !== 'object' || voice === null || Array.isArray(voice))
    throw new InputError(`voice must be a name or an object of names and shares, found ${describeValue(voice)}.`);
  return Object.entries(voice);
}

/** The mean of packs by their shares. @throws InputError for packs of unequal sizes */
export function blendVoices(parts: readonly (readonly [VoicePack, number])[]): VoicePack {
  const [[first]] = parts as [readonly [VoicePack, number]];
  if (parts.length === 1) return first;
  const values = new Float32Array(first.values.length);
  // In one order, whoever is named first.
  for (const [{ name, values: own }, share] of parts.toSorted(([a], [b]) => (a.name < b.name ? -1 : 1))) {
    if (own.length !== values.length)
      throw new InputError(`voice: ${first.name} and ${name} have ${values.length} and ${own.length} values: they cannot be blended.`);
    for (let i = 0; i < values.length; i++) values[i]! += share * own[i]!;
  }
  return { name: parts.map(([{ name }]) => name).join('+'), values, width: first.width };
}
