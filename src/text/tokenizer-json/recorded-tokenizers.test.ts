import { describe, expect, test } from 'vitest';
import { recordedFile, recordedTexts, recordedTokenizers, refusedTokenizers } from '../../../test/recorded-tokenizers.ts';
import type { Recorded } from '../../../test/recorded-tokenizers.ts';
import { FormatError } from '../../tensor/errors.ts';
import { jsonTokenizer } from '../json-tokenizer.ts';
import type { Tokenizer } from '../tokenizer.ts';

function tokenizerOf(recorded: Pick<Recorded, 'model' | 'file'>): Tokenizer {
  return jsonTokenizer({ name: 'recorded', tokenizer: recordedFile(recorded) });
}

function streamed(tokenizer: Tokenizer, ids: readonly number[], skipSpecial: boolean): string {
  const stream = tokenizer.streamDecoder({ skipSpecial, atStart: true });
  return ids.map((id) => stream.push(id)).join('') + stream.flush();
}

interface Difference {
  readonly name: string;
  readonly what: string;
  readonly input: unknown;
  readonly expected: unknown;
  readonly found: unknown;
}

function differences(each: Recorded): Difference[] {
  const tokenizer = tokenizerOf(each);
  const found: Difference[] = [];
  const compare = (what: string, input: unknown, expected: unknown, actual: unknown): void => {
    if (JSON.stringify(actual) !== JSON.stringify(expected))
      found.push({ name: `${each.name} (${each.model})`, what, input, expected, found: actual });
  };
  for (const [index, ids, withSpecial, plain, decoded, skipped] of each.cases) {
    const text = recordedTexts[index]!;
    const all = withSpecial ?? ids;
    compare('encode', text, ids, tokenizer.encode(text, { parseSpecial: true }));
    compare('encode with addSpecial', text, all, tokenizer.encode(text, { parseSpecial: true, addSpecial: true }));
    compare('encode without parseSpecial', text, plain ?? ids, tokenizer.encode(text));
    compare('decode', all, decoded, tokenizer.decode(all));
    compare('decode with skipSpecial', all, skipped, tokenizer.decode(all, { skipSpecial: true }));
    compare('stream', all, decoded, streamed(tokenizer, all, false));
  }
  for (const [ids, decoded, skipped] of each.decoded) {
    compare('decode of ids by chance', ids, decoded, tokenizer.decode(ids));
    compare('decode of ids by chance with skipSpecial', ids, skipped, tokenizer.decode(ids, { skipSpecial: true }));
    compare('stream of ids by chance', ids, skipped, streamed(tokenizer, ids, true));
  }
  return found;
}

describe('as tokenizers 0.23.2', () => {
  const groups = new Map<string, Recorded[]>();
  for (const each of recordedTokenizers) {
    const group = each.name.replace(/ \d+$/, '');
    groups.set(group, [...(groups.get(group) ?? []), each]);
  }
  test.each([...groups])('%s', (_group, members) => {
    const found = members.flatMap(differences);
    expect({ count: found.length, first: found.slice(0, 12) }).toEqual({ count: 0, first: [] });
  });

  test('there are thousands of them', () => {
    expect(recordedTokenizers.reduce((sum, each) => sum + each.cases.length, 0)).toBeGreaterThan(15_000);
  });
});

describe('refused by name', () => {
  test.each(refusedTokenizers.map((each) => [each.refused, each] as const))('%s', (_name, each) => {
    expect(() => tokenizerOf(each)).toThrow(FormatError);
    expect(() => tokenizerOf(each)).toThrow(new RegExp(each.message));
  });
});
