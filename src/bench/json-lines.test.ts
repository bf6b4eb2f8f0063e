import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { circumstances, measurement } from '../../test/bench-results.ts';
import { jsonLines } from './json-lines.ts';

describe('jsonLines', () => {
  it('appends one line for each figure, with all that it takes to repeat it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ingot-bench-test-'));
    try {
      const path = join(folder, 'deeper', 'results.jsonl');
      const reporter = jsonLines(path);
      writeFileSync(path, '{"kept":true}\n');
      reporter.onMeasurement(measurement({ isShown: false }), circumstances);
      reporter.onMeasurement(measurement({ measure: 'prefill 512' }), circumstances);
      reporter.onModelEnd(circumstances, []);
      const lines = readFileSync(path, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(lines).toHaveLength(3);
      expect(lines[0]).toEqual({ kept: true });
      const { isShown: _, ...figures } = measurement({});
      expect(lines[1]).toEqual({ time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string, ...circumstances, ...figures });
      expect(lines[2]).toMatchObject({ measure: 'prefill 512', commit: 'abc1234', model: { sha256: 'f'.repeat(64) } });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('finds out at once that a file cannot be written', () => {
    expect(() => jsonLines(join(tmpdir(), 'x'.repeat(300), 'y.jsonl'))).toThrow();
  });
});
