/** Sounds, scripted cascades and the events of their sessions, as tests of live talk have them. */
import { expect } from 'vitest';
import type { Waveform } from '../src/audio/audio-stream.ts';
import { createCascade } from '../src/engine/talk/cascade/cascade.ts';
import type { TalkSession, TalkSessionEvent } from '../src/engine/talk/live/talker.ts';
import { loudnessDetector, scriptedEars, scriptedModel, scriptedVoice } from './scripted-cascade.ts';
import type { SimulatedPlayer } from './simulated-player.ts';

export const RATE = 16_000;
export const FRAME_MS = 32;

export const sound = (ms: number, level: number) => ({ samples: new Float32Array((RATE * ms) / 1000).fill(level), sampleRate: RATE });
export const speech = (ms: number) => sound(ms, 0.9);
export const silence = (ms: number) => sound(ms, 0);

/** As a detector's, of whole frames. */
export const loudFrames = async (samples: Float32Array): Promise<Float32Array> =>
  Float32Array.from({ length: samples.length >> 9 }, (_, i) => Math.abs(samples[i << 9]!));

export async function* written(...texts: string[]): AsyncGenerator<string> {
  for (const text of texts) yield text;
}

/** Collects events as they come. */
export function follow(session: TalkSession): { readonly events: TalkSessionEvent[]; readonly over: Promise<void> } {
  const events: TalkSessionEvent[] = [];
  const over = (async () => {
    for await (const event of session.events()) events.push(event);
  })();
  over.catch(() => {});
  return { events, over };
}

export const kinds = (events: readonly TalkSessionEvent[]) => events.map(({ kind }) => kind);
export const ofKind = <Kind extends TalkSessionEvent['kind']>(events: readonly TalkSessionEvent[], kind: Kind) =>
  events.filter((event): event is Extract<TalkSessionEvent, { kind: Kind }> => event.kind === kind);
export const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Hears a sound in the time that it takes: the player's clock goes with it, in steps of 8 ms. */
export async function hearLive(session: TalkSession, player: SimulatedPlayer, { samples, sampleRate }: Waveform): Promise<void> {
  const step = (sampleRate * 8) / 1000;
  for (let at = 0; at < samples.length; at += step) {
    player.advance(8);
    await session.hear({ samples: samples.subarray(at, at + step), sampleRate });
  }
}

/** Waits as long as a busy machine may take; what never comes about is an error here, before the test's own limit. */
export async function until(isSo: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !isSo() && Date.now() < end;) await tick();
  expect(isSo()).toBe(true);
}

export function cascade(write: Parameters<typeof scriptedModel>[0], options: { readonly wordMs?: number; readonly heard?: string } = {}) {
  const { model, asked } = scriptedModel(write);
  const voice = scriptedVoice(options.wordMs ?? 200);
  const ears = scriptedEars(() => options.heard ?? 'hello there');
  return { talker: createCascade({ ears, model, voice, detector: loudnessDetector() }), asked };
}
