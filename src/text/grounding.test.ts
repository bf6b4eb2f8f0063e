import { describe, expect, it } from 'vitest';
import { BOXES_SCHEMA, POINTS_SCHEMA, readGrounding } from './grounding.ts';
import { FormatError } from '../tensor/errors.ts';

const size = { width: 640, height: 480 };

describe('boxes and points of an answer', () => {
  it('are in pixels of the image, out of a fence, words or JSON alone', () => {
    const json = '[{"bbox_2d": [100, 250, 500, 1000], "label": "a cat"}, {"point_2d": [500, 500], "label": "its nose"}]';
    const expected = {
      boxes: [{ label: 'a cat', left: 64, top: 120, right: 320, bottom: 480 }], points: [{ label: 'its nose', x: 320, y: 240 }],
    };
    for (const text of [json, `\`\`\`json\n${json}\n\`\`\``, `Here they are: ${json} Anything else?`, `\`\`\`\n${json}\n\`\`\` and [more]`])
      expect(readGrounding(text, size)).toEqual(expected);
    expect(readGrounding(JSON.parse(json), size)).toEqual(expected);
    expect(readGrounding('{"bbox_2d": [1, 2, 3, 4]}', size).boxes).toEqual([
      { label: undefined, left: 0.64, top: 0.96, right: 1.92, bottom: 1.92 },
    ]);
    expect(readGrounding('[]', size)).toEqual({ boxes: [], points: [] });
  });

  it('stay within the image, corners in order', () => {
    const { boxes: [box] } = readGrounding('[{"bbox_2d": [900, -3, 100, 1010]}]', size);
    expect(box).toMatchObject({ left: 64, top: 0, right: 576, bottom: 480 });
  });

  it.each([
    ['There is no cat.', /has no boxes or points: "There is no cat\."/], ['[{"bbox_2d": [1, 2, 3', /cut, or no JSON/],
    ['[{"bbox_2d": [1, 2, 3]}]', /entry 0: bbox_2d must be 4 numbers from 0 to 1000, found an array of 3/],
    ['[{"bbox_2d": ["a", 2, 3, 4]}]', /must be 4 numbers/], ['[{"label": "a"}]', /entry 0 has neither bbox_2d nor point_2d/],
    ['[3]', /entry 0 has neither .* but is 3/],
  ])('%j is refused', (text, message) => {
    expect(() => readGrounding(text, size)).toThrow(FormatError);
    expect(() => readGrounding(text, size)).toThrow(message);
  });

  it('have schemas that their own answers are of', () => {
    expect(BOXES_SCHEMA['items']).toMatchObject({ required: ['bbox_2d', 'label'] });
    expect(POINTS_SCHEMA['items']).toMatchObject({ required: ['point_2d', 'label'] });
  });
});
