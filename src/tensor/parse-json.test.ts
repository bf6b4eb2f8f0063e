import { describe, expect, test } from 'vitest';
import { FormatError } from './errors.ts';
import { parseJson, parseJsonObject } from './parse-json.ts';

const where = 'config.json';

describe("Python's words", () => {
  test.each<[string, unknown]>([
    ['{"a": NaN}', { a: Number.NaN }],
    ['{"a": [0.0, Infinity], "b": -Infinity}', { a: [0, Infinity], b: -Infinity }],
    ['[NaN]', [Number.NaN]],
    [' -Infinity ', -Infinity],
    ['{"NaN": "Infinity", "x": "-Infinity, NaN", "y": Infinity}', { NaN: 'Infinity', x: '-Infinity, NaN', y: Infinity }],
    ['{"quoted \\" NaN": "a \\\\", "b": NaN}', { 'quoted " NaN': 'a \\', b: Number.NaN }],
    [
      '{"all": [NaN, 1, -0, 1.5e3, 2E-2, true, false, null, "\\u00e9\\n\\ud83d\\ude00", {}, []]}',
      { all: [Number.NaN, 1, -0, 1500, 0.02, true, false, null, 'é\n😀', {}, []] },
    ],
    ['{"a": 1, "a": NaN}', { a: Number.NaN }],
  ])('%s', (text, value) => expect(parseJson(text, where)).toEqual(value));

  test('a key "__proto__" stays a key', () => {
    const value = parseJsonObject('{"__proto__": {"x": 1}, "y": NaN}', where);
    expect(Object.keys(value)).toEqual(['__proto__', 'y']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test('a text of a million escapes beside one is read', () => {
    const value = parseJsonObject(`{"a": "${'\\n'.repeat(1e6)}", "b": NaN}`, where);
    expect((value['a'] as string).length).toBe(1e6);
  });
});

describe('as strict as JSON otherwise', () => {
  test.each<[string, RegExp]>([
    ['', /expected a value at line 1, column 1, found the end of the text/],
    ['{"a": nan}', /expected a value at line 1, column 7, found "nan}"/],
    ['{"a": inf}', /expected a value/],
    ['{"a": +Infinity}', /expected a value/],
    ['{"a": -NaN}', /expected a value at line 1, column 7/],
    ['{"a": - Infinity}', /expected a value/],
    ['{"a": 1Infinity}', /expected "," or "}" at line 1, column 8/],
    ['{"a": Infinity1}', /expected "," or "}"/],
    ['{"a": NaNNaN}', /expected "," or "}"/],
    ['{NaN: 1}', /expected a key in double quotes at line 1, column 2/],
    ["{'a': 1}", /expected a key in double quotes/],
    ['{"a": 1,}', /expected a key in double quotes at line 1, column 9/],
    ['[1, 2,]', /expected a value at line 1, column 7/],
    ['{"a" 1}', /expected ":" after a key/],
    ['{"a": 01}', /expected "," or "}"/],
    ['{"a": .5}', /expected a value/],
    ['{"a": 1.}', /expected "," or "}"/],
    ['{"a": 0x10}', /expected "," or "}"/],
    ['{"a": True}', /expected a value at line 1, column 7, found "True}"/],
    ['{"a": "\\x41"}', /an escape that JSON has at line 1, column 8/],
    ['{"a": "line\nbreak"}', /without line breaks at line 1, column 12/],
    ['{"a": "open', /the rest of a string .* found the end of the text/],
    ['{"a": 1} {"b": 2}', /expected the end of the text at line 1, column 10/],
    ['{\n  "é": 1,\n  "😀": ?\n}', /expected a value at line 3, column 8, found "\?"/],
    ['{"a": NaN // no\n}', /expected "," or "}" at line 1, column 11/],
    ['\uFEFF{"a": NaN}', /expected a value at line 1, column 1/],
  ])('%j', (text, pattern) => {
    expect(() => parseJson(text, where)).toThrow(FormatError);
    expect(() => parseJson(text, where)).toThrow(pattern);
    expect(() => parseJson(text, where)).toThrow(/^config.json is not valid JSON: /);
  });

  test.each(['[', '{"a":', '[{"a":['])('%s without end costs no stack', (text) => {
    expect(() => parseJson(text.repeat(300_000), where)).toThrow(/nested more than 1000 levels/);
  });

  test.each([
    ['[]', 'an array of 0'],
    ['null', 'null'],
    ['NaN', 'NaN'],
    ['"x"', '"x"'],
    ['-Infinity', '-Infinity'],
  ])('%s is no object', (text, found) => {
    expect(() => parseJsonObject(text, where)).toThrow(`config.json must be a JSON object, found ${found}.`);
  });
});

test('reads what the platform reads, where there are no words of Python', () => {
  const values = [0, -1.5e-7, 'a\u2028"\\/\b', [[], {}, [null]], { a: { b: [true, false] }, '': 1, 2: 'x', 1: 'y' }];
  const text = JSON.stringify(values, undefined, '\t');
  // The word at the end makes the reader of this project take the whole text.
  expect(parseJson(`[${text}, NaN]`, where)).toEqual([values, Number.NaN]);
  expect(Object.keys((parseJson(`[${text}, NaN]`, where) as [unknown[]])[0][4] as object)).toEqual(['1', '2', 'a', '']);
});

/** As json.loads of Python 3.12 judged them. */
const judged = {
  read: ['NaN', '-Infinity', '{"a":Infinity}', '[-1e5, Infinity]', '"NaN"'],
  refused: ['+Infinity', '-NaN', '[NaN,]', '{NaN:1}', '1Infinity', 'Infinity.5', '[1 NaN]', 'nan', '[-]', '[--Infinity]', '[NaN\u00a0]'],
};

test("takes and refuses what Python's json does", () => {
  for (const text of judged.read) expect(() => parseJson(text, where)).not.toThrow();
  for (const text of judged.refused) expect(() => parseJson(text, where), text).toThrow(FormatError);
});
