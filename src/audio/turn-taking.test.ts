import { describe, expect, it } from 'vitest';
import { randomSource } from '../tensor/codec/random-weights.ts';
import { createTurnTaking } from './turn-taking.ts';
import type { TurnEvent, TurnOptions, TurnTaking } from './turn-taking.ts';

/** Frames of 10 ms: '#' is speech, '.' silence, '-' between the two. */
const LEVELS: Readonly<Record<string, number>> = { '#': 0.9, '.': 0.05, '-': 0.4 };
const OPTIONS: TurnOptions = { frameMs: 10, minSpeechMs: 30, endSilenceMs: 50, preRollMs: 20, postRollMs: 10, bargeInMs: 60 };

function fed(turns: TurnTaking, frames: string): (TurnEvent & { at: number })[] {
  return [...frames].flatMap((frame, at) => turns.push(LEVELS[frame]!).map((event) => ({ ...event, at })));
}

function eventsOf(frames: string, options: TurnOptions = {}): (TurnEvent & { at: number })[] {
  return fed(createTurnTaking({ ...OPTIONS, ...options }), frames);
}

describe('createTurnTaking', () => {
  it('begins a turn after enough speech, with the sound before it, and ends it after enough silence', () => {
    expect(eventsOf('.....#####..........')).toEqual([
      { kind: 'start', from: 3, at: 7 },
      { kind: 'end', from: 3, to: 11, reason: 'silence', at: 14 },
    ]);
  });

  it('takes no sound from before the beginning', () => {
    expect(eventsOf('#####.....')[0]).toMatchObject({ kind: 'start', from: 0 });
  });

  it('hears no turn in clicks, and one in words with gaps', () => {
    expect(eventsOf('..##..##..##..##.....')).toEqual([]);
    expect(eventsOf('..#.#.#.......')).toMatchObject([{ kind: 'start', from: 0, at: 6 }, { kind: 'end', to: 8 }]);
  });

  it('goes on over pauses that are too short', () => {
    expect(eventsOf('...####....####.....')).toMatchObject([{ kind: 'start', from: 1 }, { kind: 'end', from: 1, to: 16, at: 19 }]);
  });

  it('what lies between the thresholds begins nothing and ends nothing', () => {
    expect(eventsOf('-----------')).toEqual([]);
    expect(eventsOf('...###----------')).toMatchObject([{ kind: 'start' }]);
    expect(eventsOf('...###----------', { release: 0.45 })).toMatchObject([{ kind: 'start' }, { kind: 'end', to: 7 }]);
  });

  it('two turns never share a frame', () => {
    const events = eventsOf('###.....###.....', { preRollMs: 200 });
    expect(events.map(({ from }) => from)).toEqual([0, 0, 4, 4]);
    expect(events[1]).toMatchObject({ to: 4 });
  });

  it('interrupts the other side by longer speech only', () => {
    const turns = createTurnTaking(OPTIONS);
    turns.setOtherSpeaking(true);
    expect(fed(turns, '..####......')).toEqual([]);
    expect(fed(turns, '..#######')).toEqual([{ kind: 'barge-in', from: 12, at: 7 }, { kind: 'start', from: 12, at: 7 }]);
    turns.setOtherSpeaking(false);
    expect(fed(turns, '.....')).toMatchObject([{ kind: 'end', from: 12, to: 22 }]);
    expect(fed(turns, '..###')).toMatchObject([{ kind: 'start' }]);
  });

  it('cuts a long turn where speech is least probable, and goes on', () => {
    const events = eventsOf('####################-###########.....', { maxTurnMs: 240 });
    expect(events).toMatchObject([
      { kind: 'start', from: 0 }, { kind: 'end', from: 0, to: 20, reason: 'length', at: 23 }, { kind: 'start', from: 20 },
      { kind: 'end', from: 20, to: 33, reason: 'silence' },
    ]);
  });

  it('ends an open turn when the sound is over', () => {
    const turns = createTurnTaking(OPTIONS);
    fed(turns, '...#####.');
    expect(turns.close()).toEqual([{ kind: 'end', from: 1, to: 9, reason: 'closed' }]);
    expect(turns.close()).toEqual([]);
  });

  it('whatever comes: turns are in order, apart, no longer than allowed, and hold all long speech', () => {
    const random = randomSource(5);
    for (let round = 0; round < 200; round++) {
      const turns = createTurnTaking({ ...OPTIONS, maxTurnMs: 300 });
      let level = 0.1;
      const levels = Array.from({ length: 400 }, () => {
        if (random() < 0.1) level = random() < 0.5 ? 0.05 : 0.95;
        return Math.min(1, Math.max(0, level + 0.1 * (random() - 0.5)));
      });
      const events = [...levels.flatMap((probability) => turns.push(probability)), ...turns.close()];
      const ends = events.filter((event) => event.kind === 'end');
      let before = 0;
      for (const { from, to } of ends) {
        expect(from).toBeGreaterThanOrEqual(before);
        expect(to).toBeGreaterThan(from);
        expect(to - from).toBeLessThanOrEqual(30);
        before = to;
      }
      expect(events.filter(({ kind }) => kind === 'start').length).toBe(ends.length);
      const heard = new Set(ends.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i)));
      for (let at = 3; at < levels.length; at++)
        if ([0, 1, 2, 3].every((back) => levels[at - back]! >= 0.5)) expect(heard.has(at)).toBe(true);
    }
  });

  it.each([
    [{ threshold: 1.5 }, 'threshold must be between 0 and 1'], [{ release: 0.7 }, 'release must be'],
    [{ minSpeechMs: -1 }, 'minSpeechMs must be'],
    [{ frameMs: 0 }, 'frameMs must be'], [{ maxTurnMs: 100 }, 'maxTurnMs must be'], [{ preRol: 3 }, 'no option "preRol"'],
  ])('refuses %j', (options, message) => {
    expect(() => createTurnTaking(options as TurnOptions)).toThrow(message);
  });

  it('refuses what is no probability', () => {
    for (const probability of [NaN, -0.1, 1.1]) expect(() => createTurnTaking().push(probability)).toThrow('a probability is from 0 to 1');
  });
});
