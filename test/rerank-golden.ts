/** What the model card's code gives of a small reranker (scripts/fixtures/rerank_golden.py), against `rerank`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Model } from '../src/engine/api.ts';
import { fixturesPath } from './fixture-tensors.ts';

export const rerankerPath = join(fixturesPath, 'rerank');

interface RerankCase {
  readonly query: string;
  /** Null: the card's own. */
  readonly instruction: string | null;
  readonly documents: readonly string[];
  readonly scores: readonly number[];
}

/** Scores are from 0 to 1. */
export async function checkRerankGolden(model: Model, tolerance: number): Promise<void> {
  const { cases } = JSON.parse(readFileSync(join(rerankerPath, 'golden.json'), 'utf8')) as { readonly cases: readonly RerankCase[] };
  for (const { query, instruction, documents, scores } of cases) {
    const found = await model.rerank(query, documents, instruction === null ? {} : { instruction });
    expect(found).toHaveLength(scores.length);
    const errors = found.map((score, i) => Math.abs(score - scores[i]!));
    expect(Math.max(...errors), `${query}: ${found.join(', ')}`).toBeLessThan(tolerance);
  }
}
