/**
 * Where things are in an image, as Qwen3-VL answers: JSON objects `{"bbox_2d": [left, top, right, bottom], "label": "..."}` and
 * `{"point_2d": [x, y], "label": "..."}`, often in a fence, their coordinates in thousandths of the image's sides (the model's cookbook).
 */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { describeJson, isJsonObject } from '../tensor/json.ts';

interface Labelled {
  /** What it is, in the model's words; undefined where it says none. */
  readonly label: string | undefined;
}

/** In pixels of the image. */
export interface GroundedBox extends Labelled {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** In pixels of the image. */
export interface GroundedPoint extends Labelled {
  readonly x: number;
  readonly y: number;
}

export interface Grounding {
  readonly boxes: readonly GroundedBox[];
  readonly points: readonly GroundedPoint[];
}

/** Of the image that was asked about, as it is seen (`countTokens` tells it too). */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

const PER_SIDE = 1000;
const coordinate: JsonObject = { type: 'integer', minimum: 0, maximum: PER_SIDE };
const list = (length: number): JsonObject => ({ type: 'array', items: coordinate, minItems: length, maxItems: length });
const entry = (field: string, length: number): JsonObject => ({
  type: 'object', properties: { [field]: list(length), label: { type: 'string', maxLength: 200 } }, required: [field, 'label'],
  additionalProperties: false,
});

/** For `generateObject`: an answer that is boxes, or points, and nothing else. */
export const BOXES_SCHEMA: JsonObject = { type: 'array', items: entry('bbox_2d', 4), maxItems: 100 };
export const POINTS_SCHEMA: JsonObject = { type: 'array', items: entry('point_2d', 2), maxItems: 100 };

/**
 * Boxes and points of an answer: its text, or the value of one that was held to {@link BOXES_SCHEMA} or {@link POINTS_SCHEMA}.
 * @throws FormatError for an answer without them, one that is cut, and coordinates that are none
 */
export function readGrounding(answer: JsonValue, size: ImageSize): Grounding {
  const value = typeof answer === 'string' ? parsedAnswer(answer) : answer;
  const entries = Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
  const boxes: GroundedBox[] = [];
  const points: GroundedPoint[] = [];
  for (const [i, one] of entries.entries()) {
    const { bbox_2d: box, point_2d: point, label } = isJsonObject(one) ? one : {};
    const labelled = { label: typeof label === 'string' ? label : undefined };
    if (box !== undefined) boxes.push({ ...labelled, ...boxOf(numbersOf(box, 4, `entry ${i}: bbox_2d`), size) });
    else if (point !== undefined) points.push({ ...labelled, ...pointOf(numbersOf(point, 2, `entry ${i}: point_2d`), size) });
    else throw new FormatError(`The answer's entry ${i} has neither bbox_2d nor point_2d, but is ${describeJson(one)}.`);
  }
  return { boxes, points };
}

/** The JSON of a fence where there is one, else from the first bracket to the last. */
function parsedAnswer(text: string): JsonValue {
  const fenced = /```(?:json)?\s*([[{].*?)\s*```/s.exec(text)?.[1];
  const from = text.search(/[[{]/);
  const found = fenced ?? (from < 0 ? undefined : text.slice(from, Math.max(text.lastIndexOf(']'), text.lastIndexOf('}')) + 1));
  if (found === undefined) throw new FormatError(`The answer has no boxes or points: ${JSON.stringify(text.slice(0, 80))}.`);
  try {
    return JSON.parse(found) as JsonValue;
  } catch (cause) {
    const advice = 'it is cut, or no JSON. Allow more tokens, or hold the answer to BOXES_SCHEMA (generateObject)';
    throw new FormatError(`The answer's boxes cannot be read: ${advice}.`, { cause });
  }
}

/** Within the image: models go a little over its sides. */
function numbersOf(value: JsonValue, count: number, where: string): readonly number[] {
  const isSound = Array.isArray(value) && value.length === count && value.every((one) => typeof one === 'number' && Number.isFinite(one));
  if (!isSound)
    throw new FormatError(`The answer's ${where} must be ${count} numbers from 0 to ${PER_SIDE}, found ${describeJson(value)}.`);
  return (value as readonly number[]).map((one) => Math.min(PER_SIDE, Math.max(0, one)) / PER_SIDE);
}

function boxOf([a, b, c, d]: readonly number[], { width, height }: ImageSize): Omit<GroundedBox, 'label'> {
  const [left, right] = [Math.min(a as number, c as number), Math.max(a as number, c as number)];
  const [top, bottom] = [Math.min(b as number, d as number), Math.max(b as number, d as number)];
  return { left: left * width, top: top * height, right: right * width, bottom: bottom * height };
}

function pointOf([x, y]: readonly number[], { width, height }: ImageSize): Omit<GroundedPoint, 'label'> {
  return { x: (x as number) * width, y: (y as number) * height };
}
