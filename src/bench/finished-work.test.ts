import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { circumstances, measurement } from '../../test/bench-results.ts';
import { keyOfWork, mendLastLine, readFinishedWork } from './finished-work.ts';
import { jsonLines } from './json-lines.ts';
import { readResults } from './read-results.ts';
import { createRunProgress } from './run-progress.ts';

describe('results of a run that is gone on with', () => {
  let folder = '';
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-finished-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('hold work whose last figure is there with all its runs', () => {
    const path = join(folder, 'some.jsonl');
    const { onMeasurement } = jsonLines(path);
    const [whole, cut, stopped] = ['whole', 'cut', 'stopped'].map((name) => keyOfWork([name])) as [string, string, string];
    for (const part of ['1/2', '2/2']) onMeasurement(measurement({ asked: whole, part }), circumstances);
    onMeasurement(measurement({ asked: cut, part: '1/2' }), circumstances);
    onMeasurement(measurement({ asked: stopped, isWhole: false }), circumstances);
    const figuresOf = (...keys: readonly string[]) => [...readFinishedWork(path).figuresOf(keys)];
    expect(figuresOf(whole, cut, stopped).map(([key, figures]) => [key, figures.length])).toEqual([[whole, 2]]);
    expect(figuresOf(whole)[0]![1][1]).toMatchObject({ measure: 'decode 128 after 128', median: 1000, part: '2/2' });
    expect(readFinishedWork(join(folder, 'none.jsonl')).figuresOf([whole]).size).toBe(0);
    // Of a task that was cut and measured again, the later figures.
    for (const part of ['1/2', '2/2']) onMeasurement(measurement({ asked: cut, part, median: 7 }), circumstances);
    expect(figuresOf(cut)[0]![1].map(({ median }) => median)).toEqual([7, 7]);
  });

  it('give the figures of one session: that which has most of what is asked for, the last of several', () => {
    const path = join(folder, 'sessions.jsonl');
    const { onMeasurement } = jsonLines(path);
    const [own, rival, other] = ['own', 'rival', 'other'].map((name) => keyOfWork([name])) as [string, string, string];
    const measure = (day: string, median: number, ...keys: readonly string[]) => {
      const session = `2026-12-${day}T08:00:00.000Z`;
      for (const asked of keys) onMeasurement(measurement({ asked, median }), { ...circumstances, session });
    };
    measure('01', 1, own, rival);
    measure('02', 2, own, rival);
    measure('03', 3, own, other);
    const { figuresOf } = readFinishedWork(path);
    const mediansOf = (...keys: readonly string[]) => [...figuresOf(keys).values()].flat().map(({ median }) => median);
    expect(mediansOf(own, rival)).toEqual([2, 2]);
    expect(mediansOf(own)).toEqual([3]);
    expect(mediansOf(rival, other)).toEqual([3]);
    expect(figuresOf([own])!.get(own)![0]).toMatchObject({ session: '2026-12-03T08:00:00.000Z' });
  });

  it('lose a line that was cut, and keep one that lacks its end alone', () => {
    const path = join(folder, 'cut.jsonl');
    writeFileSync(path, '{"a":1}\n{"time":"\u00e9');
    expect(mendLastLine(path)).toContain('ended within a line');
    expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n');
    writeFileSync(path, '{"a":1}\n{"b":2}');
    expect(mendLastLine(path)).toBeUndefined();
    expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n{"b":2}\n');
    expect([mendLastLine(path), mendLastLine(join(folder, 'none.jsonl'))]).toEqual([undefined, undefined]);
  });

  it('are not looked for in another file, which stays as it is', () => {
    const path = join(folder, 'plan.json');
    const plan = '{\n  "models": ["a.gguf"]\n}';
    writeFileSync(path, plan);
    expect(() => mendLastLine(path)).toThrow('plan.json holds no results');
    expect(readFileSync(path, 'utf8')).toBe(plan);
  });

  it('say what took no part, once', () => {
    const path = join(folder, 'notes.jsonl');
    const { onMeasurement, onModelEnd } = jsonLines(path);
    onMeasurement(measurement({}), circumstances);
    for (let time = 0; time < 2; time++) onModelEnd(circumstances, ['uzu is left out: there is no program uzu']);
    const { rows, notes } = readResults([path]);
    expect([rows.length, notes]).toEqual([1, ['model.gguf: uzu is left out: there is no program uzu']]);
  });
});

describe('the time that is left', () => {
  it('goes by runs that are over, and by what is known of others', () => {
    let now = 0;
    const progress = createRunProgress([{ runs: 4 }, { runs: 1, seconds: 600 }, { runs: 4 }], () => now);
    progress.begin({ runs: 4 }, 2);
    expect(progress.text()).toBe('task 1 of 3');
    now += 30_000;
    progress.ran();
    // 1 and 4 runs of 30 s, and 10 minutes.
    expect(progress.text()).toBe('task 1 of 3, about 13 min left');
    now += 30_000;
    progress.ran();
    progress.begin({ runs: 1, seconds: 600 }, 1);
    now += 600_000;
    progress.ran();
    expect(progress.text()).toBe('task 2 of 3, about 2 min left');
    progress.begin({ runs: 4 }, 1);
    expect(progress.text()).toBe('task 3 of 3, about 30 s left');
  });
});
