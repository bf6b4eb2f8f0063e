/** A loudspeaker whose clock a test moves. */
import type { SoundPlayer } from '../src/engine/talk/live/sound-player.ts';

export interface SimulatedPlayer extends SoundPlayer {
  /** The clock. */
  readonly nowMs: number;
  /** Whether anything is heard now. */
  readonly isAudible: boolean;
  /** All times at which it fell silent, though there was more to be heard. */
  readonly silencedMs: readonly number[];
  advance(ms: number): void;
}

/** @param aheadMs of sound that it takes before it was heard */
export function simulatedPlayer(aheadMs = Infinity): SimulatedPlayer {
  let [now, rate, given, played, isPaused] = [0, 24_000, 0, 0, false];
  const silenced: number[] = [];
  let waiting: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];
  const settle = (): void => {
    const done = waiting.filter(({ isDone }) => isDone());
    waiting = waiting.filter((each) => !done.includes(each));
    for (const { resolve } of done) resolve();
  };
  const until = (isDone: () => boolean): Promise<void> =>
    isDone() ? Promise.resolve() : new Promise((resolve) => void waiting.push({ isDone, resolve }));
  const silence = (): void => {
    if (!isPaused && played < given) silenced.push(now);
  };
  return {
    get nowMs() {
      return now;
    },
    get isAudible() {
      return !isPaused && played < given;
    },
    silencedMs: silenced,
    get played() {
      return Math.floor(played);
    },
    advance(ms) {
      now += ms;
      if (!isPaused) played = Math.min(given, played + (ms * rate) / 1000);
      settle();
    },
    begin(sampleRate) {
      [rate, given, played, isPaused] = [sampleRate, 0, 0, false];
    },
    play(samples) {
      given += samples.length;
      return until(() => ((given - played) * 1000) / rate <= aheadMs);
    },
    pause() {
      silence();
      isPaused = true;
    },
    resume: () => void (isPaused = false),
    stop() {
      silence();
      [given, isPaused] = [played, false];
      settle();
    },
    finish: () => until(() => played >= given),
  };
}
