import { expect, test } from 'vitest';
import type { MetadataValue } from './checkpoint.ts';
import { FormatError } from './errors.ts';
import { metadataBoolean, metadataNumber, metadataNumbers, metadataString, metadataStrings } from './metadata.ts';

const metadata = new Map<string, MetadataValue>([
  ['number', 3.5],
  ['big', 2n ** 60n],
  ['string', 'x'],
  ['boolean', false],
  ['strings', ['a', 'b']],
  ['mixed', ['a', 1]],
  ['floats', new Float32Array([1, 2])],
  ['plain', [1, 2]],
  ['bigs', [2n ** 60n]],
  ['none', []],
]);

test('values of the right type', () => {
  expect(metadataNumber(metadata, 'number', 'file')).toBe(3.5);
  expect(metadataString(metadata, 'string', 'file')).toBe('x');
  expect(metadataBoolean(metadata, 'boolean', 'file')).toBe(false);
  expect(metadataStrings(metadata, 'strings', 'file')).toEqual(['a', 'b']);
  expect(metadataStrings(metadata, 'none', 'file')).toEqual([]);
  expect(metadataNumbers(metadata, 'floats', 'file')).toEqual(new Float32Array([1, 2]));
  expect(metadataNumbers(metadata, 'plain', 'file')).toEqual([1, 2]);
});

const accessors = { metadataBoolean, metadataNumber, metadataNumbers, metadataString, metadataStrings };

test.each(Object.entries(accessors))('%s of an absent key is undefined', (_, accessor) => {
  expect(accessor(metadata, 'absent', 'file')).toBeUndefined();
});

test.each<[keyof typeof accessors, string, RegExp]>([
  ['metadataNumber', 'string', /"string" must be a number, found the string "x"/],
  ['metadataNumber', 'big', /must be a number, found bigint 1152921504606846976/],
  ['metadataString', 'number', /must be a string, found number 3.5/],
  ['metadataBoolean', 'number', /must be a boolean/],
  ['metadataStrings', 'mixed', /must be an array of strings, found an array of 2 items/],
  ['metadataStrings', 'floats', /must be an array of strings, found an array of 2 numbers/],
  ['metadataNumbers', 'strings', /must be an array of numbers/],
  ['metadataNumbers', 'bigs', /must be an array of numbers/],
  ['metadataNumbers', 'string', /must be an array of numbers/],
])('%s of %s is an error', (accessor, key, pattern) => {
  expect(() => accessors[accessor](metadata, key, 'model.gguf')).toThrow(FormatError);
  expect(() => accessors[accessor](metadata, key, 'model.gguf')).toThrow(pattern);
  expect(() => accessors[accessor](metadata, key, 'model.gguf')).toThrow(/^model\.gguf: the metadata key /);
});
