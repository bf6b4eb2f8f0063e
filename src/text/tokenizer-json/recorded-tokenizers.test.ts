import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { fixturesPath } from '../../../test/fixture-tensors.ts';
import { FormatError } from '../../tensor/errors.ts';
import { jsonTokenizer } from '../json-tokenizer.ts';
import type { Tokenizer } from '../tokenizer.ts';

interface Shared {
  readonly texts: readonly string[];
  readonly models: Readonly<Record<string, object>>;
}

type Case = readonly [text: number, ids: number[], withSpecial: number[] | null, plain: number[] | null, decoded: string, skipped: string];

interface Recorded {
  readonly name: string;
  readonly model: string;
  readonly file: object;
  readonly cases: readonly Case[];
  readonly decoded: readonly (readonly [ids: number[], decoded: string, skipped: string])[];
}

interface Refused {
  readonly refused: string;
  readonly model: string;
  readonly file: object;
  readonly message: string;
}

const lines = gunzipSync(readFileSync(`${fixturesPath}tokenizers/cases.jsonl.gz`)).toString('utf8').split('\n');
const { texts, models } = JSON.parse(lines[0]!) as Shared;
const entries = lines.slice(1).map((line) => JSON.parse(line) as Recorded | Refused);
const recorded = entries.filter((each): each is Recorded => 'cases' in each);
const refused = entries.filter((each): each is Refused => 'refused' in each);

function tokenizerOf({ model, file }: { readonly model: string; readonly file: object }): Tokenizer {
  return jsonTokenizer({ name: 'recorded', tokenizer: JSON.stringify({ model: models[model], ...file }) });
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
    const text = texts[index]!;
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
  for (const each of recorded) {
    const group = each.name.replace(/ \d+$/, '');
    groups.set(group, [...(groups.get(group) ?? []), each]);
  }
  test.each([...groups])('%s', (_group, members) => {
    const found = members.flatMap(differences);
    expect({ count: found.length, first: found.slice(0, 12) }).toEqual({ count: 0, first: [] });
  });

  test('there are thousands of them', () => {
    expect(recorded.reduce((sum, each) => sum + each.cases.length, 0)).toBeGreaterThan(15_000);
  });
});

describe('refused by name', () => {
  test.each(refused.map((each) => [each.refused, each] as const))('%s', (_name, each) => {
    expect(() => tokenizerOf(each)).toThrow(FormatError);
    expect(() => tokenizerOf(each)).toThrow(new RegExp(each.message));
  });
});
