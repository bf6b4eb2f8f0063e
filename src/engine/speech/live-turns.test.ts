/** Texts of turns while they are spoken: over a detector that calls loud sound speech, and a recogniser that says how long a turn is. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SILERO_SAMPLES } from '../../audio/silero-frames.ts';
import { liveTurns } from './live-turns.ts';
import type { LiveEvent, LiveTurnsOptions } from './live-turns.ts';
import type { VoiceDetector } from './voice-detector.ts';

const TURNS = { endSilenceMs: 320, preRollMs: 64, postRollMs: 128, minSpeechMs: 64 };
const FRAMES_PER_SECOND = 16_000 / SILERO_SAMPLES;

/** One probability for each frame: whether its samples are loud. Tells whether its streams are closed. */
function loudness(): VoiceDetector & { opened: number } {
  const detector = {
    opened: 0,
    open() {
      detector.opened++;
      return {
        push: async (samples: Float32Array) =>
          Float32Array.from({ length: samples.length / SILERO_SAMPLES }, (_, i) => (samples[i * SILERO_SAMPLES]! > 0.5 ? 1 : 0)),
        end: async () => new Float32Array(0),
        close: () => void detector.opened--,
      };
    },
    dispose: async () => {},
  };
  return detector;
}

/** What {@link hear} has the recogniser take for each part, by a clock that stands still otherwise. */
const COST_MS = 100;
let nowMs = 0;
beforeEach(() => void vi.spyOn(performance, 'now').mockImplementation(() => nowMs));
afterEach(() => void vi.restoreAllMocks());

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
/** What is being recognised. */
const recognising = { parts: 0 };

/** A frame for each sign, given when the one before was taken: "#" speech, "." silence; "|" waits until nothing is being recognised. */
async function* spoken(signs: string): AsyncGenerator<Float32Array> {
  for (const sign of signs) {
    if (sign !== '|') {
      yield new Float32Array(SILERO_SAMPLES).fill(sign === '#' ? 1 : 0);
      continue;
    }
    do await tick();
    while (recognising.parts > 0);
  }
}

interface Heard {
  readonly events: LiveEvent[];
  /** Frames of the parts that were recognised. */
  readonly parts: number[];
}

async function hear(sound: AsyncIterable<Float32Array>, options: Partial<LiveTurnsOptions> = {}): Promise<Heard> {
  const parts: number[] = [];
  const detector = loudness();
  const recognise: LiveTurnsOptions['recognise'] = async ({ samples }, { signal }) => {
    parts.push(samples.length / SILERO_SAMPLES);
    recognising.parts++;
    await tick();
    nowMs += COST_MS;
    recognising.parts--;
    signal.throwIfAborted();
    return { text: `${samples.length / SILERO_SAMPLES} frames` };
  };
  const events: LiveEvent[] = [];
  for await (const event of liveTurns(sound, { detector, recognise, turns: TURNS, partialMs: 160, ...options })) events.push(event);
  expect(detector.opened).toBe(0);
  return { events, parts };
}

const textsOf = ({ events }: Heard) => events.map((event) => (event.kind === 'start' ? 'start' : `${event.kind} ${event.segment.text}`));

describe('live turns', () => {
  it('say what a turn says so far, and hear its end while the pause lasts', async () => {
    const heard = await hear(spoken(`....${'#'.repeat(6)}|${'#'.repeat(6)}|${'#'.repeat(6)}......|.......|`));
    expect(textsOf(heard)).toEqual(['start', 'partial 6 frames', 'partial 12 frames', 'partial 24 frames', 'final 24 frames']);
    // The third was given up as the pause began; the last is heard in the pause, once.
    expect(heard.parts).toEqual([6, 12, 18, 24]);
    const [start, last] = [heard.events[0]!, heard.events.at(-1)!];
    if (start.kind !== 'start' || last.kind !== 'final') throw new Error('other events');
    expect(start.start).toBeCloseTo(2 / FRAMES_PER_SECOND, 9);
    expect(last.segment.start).toBe(start.start);
    expect(last.segment.end).toBeCloseTo(26 / FRAMES_PER_SECOND, 9);
    expect(last.lateMs).toBe(0);
  });

  it('begin nothing in a pause that may be the end, and tell the recogniser what was heard of the turn', async () => {
    const before: (string | undefined)[] = [];
    const recognise: LiveTurnsOptions['recognise'] = async ({ samples }, options) => {
      before.push(options.before?.text);
      return { text: `${samples.length / SILERO_SAMPLES}` };
    };
    const turn = `${'#'.repeat(6)}|..|..||....|||.......|`;
    const { events } = await hear(spoken(`..${turn}${turn}`), { recognise, partialMs: 250 });
    const texts = events.map((event) => (event.kind === 'start' ? 'start' : `${event.kind} ${event.segment.text}`));
    // Two frames of the pause are not heard by themselves.
    expect(texts).toEqual(['start', 'partial 8', 'partial 12', 'final 12', 'start', 'partial 8', 'partial 12', 'final 12']);
    expect(before).toEqual([undefined, '8', undefined, '8']);
  });

  it('hear a turn anew that goes on after a pause', async () => {
    const heard = await hear(spoken(`####|......|####|....${'.'.repeat(8)}|`), { partialMs: 1e6 });
    expect(textsOf(heard)).toEqual(['start', 'partial 8 frames', 'partial 18 frames', 'final 18 frames']);
  });

  it('give every turn of a sound that does not wait, in order', async () => {
    const turn = `#######${'.'.repeat(12)}`;
    const heard = await hear(spoken(turn.repeat(5)));
    expect(textsOf(heard).filter((text) => !text.startsWith('partial'))).toEqual(
      Array.from({ length: 5 }, (_, i) => ['start', `final ${i === 0 ? 11 : 13} frames`]).flat(),
    );
  });

  it('end a turn with the sound', async () => {
    expect(textsOf(await hear(spoken('..#####'))).at(-1)).toBe('final 7 frames');
    expect(textsOf(await hear(spoken('.....')))).toEqual([]);
    expect(textsOf(await hear(spoken('')))).toEqual([]);
  });

  it('tell what was said before the sound fails, then the failure', async () => {
    const failing = async function* (): AsyncGenerator<Float32Array> {
      yield* spoken(`#######${'.'.repeat(12)}`);
      throw new Error('unplugged');
    };
    const texts: string[] = [];
    const detector = loudness();
    const run = async (): Promise<void> => {
      const recognise = async () => ({ text: 'hello' });
      for await (const event of liveTurns(failing(), { detector, recognise, turns: TURNS, partialMs: 160 }))
        if (event.kind === 'final') texts.push(event.segment.text);
    };
    await expect(run()).rejects.toThrow('unplugged');
    expect(texts).toEqual(['hello']);
  });

  it('stop while nothing comes, and close what the sound comes from when they are left', async () => {
    const controller = new AbortController();
    const silent = async function* (): AsyncGenerator<Float32Array> {
      await new Promise(() => {});
      yield new Float32Array(0);
    };
    const stopped = hear(silent(), { signal: controller.signal });
    await tick();
    controller.abort(new Error('enough'));
    await expect(stopped).rejects.toThrow('enough');
    let close = () => {};
    const closed = new Promise<void>((resolve) => (close = resolve));
    const closing = async function* (): AsyncGenerator<Float32Array> {
      try {
        yield* spoken('#'.repeat(1000));
      } finally {
        close();
      }
    };
    for await (const event of liveTurns(closing(), {
      detector: loudness(), recognise: async () => ({ text: 'x' }), turns: TURNS, partialMs: 100,
    })) if (event.kind === 'start') break;
    await closed;
  });

  it('pass on what the recogniser throws', async () => {
    const recognise = async (): Promise<never> => {
      throw new Error('no memory');
    };
    await expect(hear(spoken('#######|##'), { recognise })).rejects.toThrow('no memory');
  });
});
