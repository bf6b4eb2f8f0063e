/** Tokenizers in the form of tokenizer.json, and what tokenizers 0.23.2 makes of texts (scripts/fixtures/tokenizer_cases.py). */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { fixturesPath } from './fixture-tensors.ts';

interface Shared {
  readonly texts: readonly string[];
  readonly models: Readonly<Record<string, object>>;
}

type Case = readonly [text: number, ids: number[], withSpecial: number[] | null, plain: number[] | null, decoded: string, skipped: string];

export interface Recorded {
  readonly name: string;
  readonly model: string;
  readonly file: object;
  readonly cases: readonly Case[];
  readonly decoded: readonly (readonly [ids: number[], decoded: string, skipped: string])[];
}

export interface Refused {
  readonly refused: string;
  readonly model: string;
  readonly file: object;
  readonly message: string;
}

const lines = gunzipSync(readFileSync(`${fixturesPath}tokenizers/cases.jsonl.gz`)).toString('utf8').split('\n');
const { texts, models } = JSON.parse(lines[0]!) as Shared;
const entries = lines.slice(1).map((line) => JSON.parse(line) as Recorded | Refused);

export { texts as recordedTexts };
export const recordedTokenizers = entries.filter((each): each is Recorded => 'cases' in each);
export const refusedTokenizers = entries.filter((each): each is Refused => 'refused' in each);

/** The text of tokenizer.json. */
export function recordedFile({ model, file }: Pick<Recorded, 'model' | 'file'>): string {
  return JSON.stringify({ model: models[model], ...file });
}
