/** Which judgements of files compare: those of one model, by one text or one set of tasks. */
import type { ResultRow } from './read-results.ts';

/** Files of one model differ in how their weights are kept: its name without that. */
export function baseName(file: string): string {
  return file.toLowerCase().replace(/\.gguf$/, '').replace(/[-_.](bf16|f16|f32|mxfp4(_moe)?|iq?\d[a-z0-9_]*|q\d[a-z0-9_]*)$/, '');
}

/** What a judgement has to say, as the engine found it. */
const SAID = {
  perplexity: ['text', 'scoredTokens', 'windowTokens'],
  'divergence from the reference': ['text', 'scoredTokens', 'windowTokens', 'reference'],
  'tasks answered well': ['tasks', 'asked'],
} as const;
export type Judgement = keyof typeof SAID;

/** The same for judgements that compare; undefined where the row does not say of what it is, as lines from before December 2026. */
export function judgedBy({ measure, flags }: Pick<ResultRow, 'measure' | 'flags'>): string | undefined {
  const names: readonly string[] = SAID[measure as Judgement] ?? [];
  const said = names.map((name) => flags[name]);
  return said.length === 0 || said.some((each) => each === undefined) ? undefined : said.join(', ');
}

/** What may stand in one chart: those that do not say stand together, and the chart says so. */
export const judgedTogether = (row: ResultRow) => `${baseName(row.model.file)}|${judgedBy(row) ?? 'not told'}`;
