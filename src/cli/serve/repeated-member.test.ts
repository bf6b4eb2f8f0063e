import { expect, it } from 'vitest';
import { repeatedMember } from './repeated-member.ts';

it.each([
  ['{"port": 1, "host": "a", "port": 2}', 'port'],
  ['{"a": 1, "\\u0061": 2}', 'a'],
  ['{"models": [{"path": "a", "name": "x", "path": "b"}]}', 'path'],
  ['{"models": [{"path": "a"}, {"path": "b"}], "path": "c"}', undefined],
  ['{"a": {"b": 1}, "b": "a", "c": ["a", "a", "{\\"a\\": 1, \\"a\\": 2}"], "d": "\\\\"}', undefined],
  ['{"": 1, "": 2}', ''],
])('%s has %j twice', (text, name) => {
  expect(repeatedMember(text)).toBe(name);
});
