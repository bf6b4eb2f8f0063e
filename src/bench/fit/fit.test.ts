import { describe, expect, test } from 'vitest';
import { advise } from './advice.ts';
import type { Situation } from './advice.ts';
import { decodeTokensPerSecond } from './expected-speed.ts';
import { largestType, RUNTIME_BYTES } from '../../engine/fitting-type.ts';
import { bitsThatFit, fitRows, longestContext } from './model-fit.ts';

const GB = 1e9;
/** Qwen3-4B in q4_0, whose keys and values take 147,456 bytes a position. */
const needs = {
  name: 'm',
  architecture: 'qwen3',
  parameters: 4.02e9,
  contextLength: 40_960,
  weightBytes: 2.27 * GB,
  stateBytes: (length: number) => 147_456 * length,
};
const room = (budgetBytes: number | undefined) => ({ memoryBytes: 24 * GB, budgetBytes, reason: 'x' });

describe('what fits', () => {
  test("rows at the usual lengths, the model's own and the wanted one", () => {
    const rows = fitRows(needs, room(16 * GB), 4096);
    expect(rows.map(({ contextLength }) => contextLength)).toEqual([2048, 4096, 8192, 32_768, 40_960]);
    expect(rows[2]).toMatchObject({
      stateBytes: 8192 * 147_456,
      fits: true,
      streams: Math.floor(((16 - 2.27 - 0.5) * GB) / (8192 * 147_456)),
    });
  });

  test('the longest context is the last that fits', () => {
    const context = longestContext(needs, room(4 * GB))!;
    expect(context).toBe(Math.floor((4 * GB - 2.27 * GB - RUNTIME_BYTES) / 147_456));
    expect(longestContext(needs, room(1 * GB))).toBe(0);
    expect(longestContext(needs, room(undefined))).toBeUndefined();
    expect(fitRows(needs, room(undefined))[0]).toMatchObject({ fits: undefined, streams: undefined });
  });

  test('of too few bytes the largest type that would do', () => {
    const type = (bytes: number) => largestType(bitsThatFit(needs, room(bytes), 2048)!);
    expect([12, 6, 3.1, 2.4, 1].map((each) => type(each * GB))).toEqual(['f16', 'q8_0', 'q4_0', 'q2_k', undefined]);
  });
});

test('speeds: what is read by what copying reaches, and dispatches on a GPU', () => {
  const h200 = { kind: 'gpu', copyBytesPerSecond: 3.94e12, dispatchMicroseconds: 4.8 } as const;
  expect(decodeTokensPerSecond(h200, { weightBytes: 2.29e9, kvBytes: 147_456, dispatches: 184 }, 128)).toBeCloseTo(680, -1);
  const cpu = { kind: 'cpu', copyBytesPerSecond: 40e9 } as const;
  expect(decodeTokensPerSecond(cpu, { weightBytes: 0.66e9, kvBytes: 12_288 }, 128)).toBeCloseTo(45, 0);
});

describe('advice', () => {
  const laptop: Situation = {
    memoryBytes: 24 * GB,
    budgetBytes: 16 * GB,
    totalBytes: 4 * GB,
    streams: 10,
    contextLength: 8192,
    tokensPerSecond: 40,
    isShared: true,
    usage: {},
  };
  const words = (situation: Partial<Situation>) =>
    advise({ ...laptop, ...situation }).map(({ advice, because }) => `${advice} ${because}`);

  test("streams by what stays for the person's other work", () => {
    expect(words({})).toEqual(['Up to 10 conversations of 8192 tokens at a time. 4.00 GB of 24.0 GB go to it, 20.0 GB stay']);
    expect(words({ totalBytes: 12 * GB })[0]).toMatch(/^One or two conversations.*IDE.*12\.0 GB of 24\.0 GB go to it, 12\.0 GB stay/);
    expect(words({ totalBytes: 30 * GB, streams: 0 })[0]).toMatch(
      /^Take a smaller quantisation.*takes 30\.0 GB, and models may take 16\.0 GB/,
    );
  });

  test.each([
    [{ hours: 21 }, /machine of its own.*21 hours a week/],
    [{ pressure: 3 }, /machine of its own.*3 times a week/],
    [{ alwaysOn: true }, /machine of its own.*at any hour/],
    [{ people: 4 }, /Share one endpoint.*audit.*4 people/],
    [{ comparing: true }, /machine of its own.*comparisons/],
  ])('the work moves for %j', (usage, expected) => expect(words({ usage })[0]).toMatch(expected));

  test('and does not for less', () => expect(words({ usage: { hours: 20, pressure: 2, people: 1, alwaysOn: false } })).toHaveLength(1));

  test('a model slower than people read', () => expect(words({ tokensPerSecond: 6 })[1]).toMatch(/smaller model.*6\.0 tokens a second/));

  test('a GPU with memory of its own takes nothing from other work', () =>
    expect(words({ isShared: false, memoryBytes: undefined })).toEqual([]));
});
