/** Pixels of an image, and what is asked of those that a caller brings. */
import { InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';

/** 8-bit pixels, row by row from the top: red, green, blue and alpha, which is not multiplied into the colours. */
export interface Image {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4]. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

export const CHANNELS = 4;

/**
 * Refuses what is no image: sizes that are not positive integers, data of another length, and pixels that are not bytes.
 * @param where names it in messages, such as `messages[0].content[1]`
 * @throws InputError
 */
export function checkImage(image: Image, where = 'image'): Image {
  const { width, height, data } = (image ?? {}) as Partial<Image>;
  for (const [name, size] of [['width', width], ['height', height]] as const) {
    if (!(Number.isSafeInteger(size) && (size as number) > 0))
      throw new InputError(`${where}: ${name} must be a positive number of pixels, found ${String(size)}.`);
  }
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new InputError(
      `${where}: data must be a Uint8Array of red, green, blue and alpha from 0 to 255, found ${describeOther(data)}. ` +
        'Scale colours from 0 to 255 and round them first.',
    );
  }
  const expected = (width as number) * (height as number) * CHANNELS;
  if (data.length !== expected) {
    const found = `${expected} bytes of red, green, blue and alpha, found ${data.length}`;
    throw new InputError(`${where}: ${width} x ${height} pixels have ${found}.`);
  }
  return image;
}

function describeOther(data: unknown): string {
  if (!Array.isArray(data) && !ArrayBuffer.isView(data)) return describeValue(data);
  const numbers = data as ArrayLike<unknown>;
  const kind = Array.isArray(data) ? 'an array' : `a ${data.constructor.name}`;
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i] as number;
    if (!(Number.isInteger(value) && value >= 0 && value <= 255)) return `${kind} with ${String(value)} at index ${i}`;
  }
  return kind;
}
