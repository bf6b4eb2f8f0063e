import { describe, expect, it } from 'vitest';
import { resultRow } from '../../test/result-row.ts';
import { dayOf, occasionLabels, occasionOf, ofOneSession, sessionOf } from './occasion.ts';
import type { ResultRow } from './read-results.ts';

const row = (changes: Partial<ResultRow> = {}) => resultRow('decode 128 after 128', [1], changes);
const machine = { cpu: 'a processor', host: 'aaaaaaaa' };

describe('when and where a figure was measured', () => {
  it('is told apart by device, machine, day and commit, and sessions by their beginning', () => {
    const first = row({ machine, session: '2026-12-01T23:50:00.000Z', time: '2026-12-02T00:10:00.000Z' });
    expect(dayOf(first)).toBe('2026-12-01');
    const later = { ...first, session: '2026-12-01T23:55:00.000Z' };
    expect(occasionOf(later)).toBe(occasionOf(first));
    expect(sessionOf(later)).not.toBe(sessionOf(first));
    for (const changes of [{ commit: 'def' }, { session: '2026-12-02T08:00:00.000Z' }, { machine: { ...machine, host: 'bbbbbbbb' } }])
      expect(occasionOf({ ...first, ...changes })).not.toBe(occasionOf(first));
    // Lines that name no session.
    expect(sessionOf(row())).toBe(sessionOf(row({ time: '2026-11-30T23:00:00.000Z' })));
    expect(sessionOf(row())).not.toBe(sessionOf(row({ time: '2026-12-01T01:00:00.000Z' })));
  });

  it('keeps builds apart that a commit alone does not tell', () => {
    const [one, two] = ['08', '09'].map((hour) => row({ commit: 'abc-dirty', session: `2026-11-30T${hour}:00:00.000Z` })) as
      [ResultRow, ResultRow];
    expect(occasionOf(one)).not.toBe(occasionOf(two));
    expect(occasionOf({ ...one, time: '2026-11-30T13:00:00.000Z' })).toBe(occasionOf(one));
    expect(occasionLabels([one, two])(two)).toBe('commit abc-dirty, of 2026-11-30T09:00:00.000Z');
    expect(occasionOf({ ...one, commit: 'abc-dirty-0a' })).toBe(occasionOf({ ...two, commit: 'abc-dirty-0a' }));
    expect(occasionOf({ ...one, commit: 'abc-dirty-0a' })).not.toBe(occasionOf({ ...one, commit: 'abc-dirty-0b' }));
  });

  it('is said by no more than differs', () => {
    const rows = [row({ machine }), row({ machine, commit: 'def' }), row({ machine: { ...machine, host: 'bbbbbbbb' } })];
    expect(rows.map(occasionLabels(rows))).toEqual(['commit abc, host aaaaaaaa', 'commit def, host aaaaaaaa', 'commit abc, host bbbbbbbb']);
    // Machines that their processors tell apart need no more.
    const apart = [row({ machine: { ...machine, os: 'a' } }), row({ machine: { cpu: 'another', os: 'b', host: 'bbbbbbbb' } })];
    expect(apart.map(occasionLabels(apart))).toEqual(['a processor', 'another']);
    expect(occasionLabels([row()])(row())).toBe('');
    const cores = [2, 8].map((count) => row({ machine: { cpu: 'a processor', cores: count } }));
    expect(cores.map(occasionLabels(cores))).toEqual(['2 cores', '8 cores']);
  });

  it('decides which rows of a figure stand together: those of the last session that has both sides', () => {
    const rival = { engine: { name: 'b', version: '1', device: 'cpu' } };
    const [one, two, three] = ['01', '02', '03'].map((day) => ({ session: `2026-12-${day}T08:00:00.000Z` })) as [object, object, object];
    const rows = [row(one), row({ ...one, ...rival }), row(two), row({ ...two, ...rival }), row({ ...three, ...rival })];
    const chosen = (some: readonly ResultRow[]) =>
      ofOneSession(some, ({ measure }) => measure, ({ engine }) => engine.name === 'ingot').map((each) => some.indexOf(each));
    expect(chosen(rows)).toEqual([2, 3]);
    expect(chosen(rows.slice(0, 3))).toEqual([0, 1]);
    expect(chosen([rows[0]!, rows[2]!])).toEqual([1]);
    expect(chosen([rows[1]!, rows[4]!])).toEqual([1]);
    // A session that was stopped before a side had all its runs gives way to one that has them, and not to one without that side.
    const stopped = { isWhole: false };
    const ended = [...rows.slice(0, 2), row({ ...two, ...stopped }), row({ ...two, ...stopped, ...rival })];
    expect(chosen(ended)).toEqual([0, 1]);
    expect(chosen(ended.slice(1))).toEqual([1, 2]);
    expect(chosen([ended[0]!, ended[2]!])).toEqual([0]);
    expect(chosen([ended[1]!, ended[3]!])).toEqual([0]);
  });
});
