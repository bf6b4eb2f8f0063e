/** Answers of LFM2-Audio on an executor: the flows of liquid_audio's own loops, and sound of frames. */
import { expect } from 'vitest';
import { createTalkEngine } from '../src/engine/talk/create-talk-engine.ts';
import type { TalkEngine } from '../src/engine/talk/talk-engine.ts';
import type { AnswerOptions, TalkState } from '../src/engine/talk/talk-steps.ts';
import { featuresOfSound } from '../src/engine/talk/hear-sound.ts';
import { createTalkFlow, isFrame } from '../src/engine/talk/talk-flow.ts';
import type { TalkEvent } from '../src/engine/talk/talk-flow.ts';
import type { TalkPart } from '../src/engine/talk/talk-runs.ts';
import type { Executor } from '../src/graph/executor.ts';
import { CODEBOOKS } from '../src/models/lfm2-audio-config.ts';
import { openDecoder } from '../src/models/open-decoder.ts';
import { createReferenceExecutor } from '../src/reference/reference-executor.ts';
import { openLfm2Audio, readLfm2AudioGolden, vocoderGolden } from './lfm2-audio-golden.ts';
import type { Lfm2AudioGolden, Lfm2AudioSource, PromptPart } from './lfm2-audio-golden.ts';
import { expectClose } from './relative-error.ts';

export interface TalkSource extends Lfm2AudioSource {
  /** Default 128. */
  readonly contextLength?: number;
}

export async function loadTalkEngine(executor: Executor, source: TalkSource = {}): Promise<TalkEngine> {
  const { contextLength = 128 } = source;
  const checkpoint = await openLfm2Audio(source);
  try {
    const decoder = await openDecoder(checkpoint);
    return await createTalkEngine({ executor, decoder, contextLength, mostSeconds: 2, kvTypes: { type: 'f32' } });
  } finally {
    await checkpoint.close();
  }
}

export function talkState(engine: TalkEngine): TalkState {
  return { sequence: engine.open(), pending: [], answerBegins: undefined, isEnded: false };
}

const GREEDY = { temperature: 0, topK: 0 };

/** The sounds are heard, from their samples on. */
function partsOf(engine: TalkEngine, prompt: readonly PromptPart[]): Promise<TalkPart[]> {
  const { of } = readLfm2AudioGolden();
  return Promise.all(prompt.map(async (part): Promise<TalkPart> => {
    if ('text' in part) return { tokens: part.text };
    if ('audio_out' in part) return { frames: part.audio_out };
    const sound = { samples: of(`audio${part.audio_in}.waveform`), sampleRate: 16_000 };
    const { features } = await featuresOfSound(sound, { bands: engine.config.ears.bins, mostSeconds: 2 });
    const heard = await engine.hear(features);
    expect(heard.rows).toBe(part.positions);
    return heard;
  }));
}

function flowOf({ config, endOfAudio }: TalkEngine, kind: 'interleaved' | 'sequential') {
  return createTalkFlow(kind === 'interleaved' ? { kind, ...config.interleaved } : { kind }, endOfAudio);
}

async function eventsOf(engine: TalkEngine, state: TalkState, parts: readonly TalkPart[], options: AnswerOptions): Promise<TalkEvent[]> {
  const events: TalkEvent[] = [];
  for await (const { events: some } of engine.answer(state, parts, options)) events.push(...some);
  return events;
}

type Generation = Lfm2AudioGolden['generation'][string];

function wantedEvents({ events }: Generation): TalkEvent[] {
  return events.map((event) => ('text' in event ? { token: event.text } : { codes: event.audio }));
}

async function generate(engine: TalkEngine, name: string): Promise<{ readonly events: TalkEvent[]; readonly isEnded: boolean }> {
  const { golden } = readLfm2AudioGolden();
  const { kind, max_new_tokens: mostSteps } = golden.generation[name]!;
  const state = talkState(engine);
  try {
    const parts = await partsOf(engine, golden.prompts[name]!);
    const options = { flow: flowOf(engine, kind), text: GREEDY, audio: GREEDY, seed: 0, mostSteps };
    return { events: await eventsOf(engine, state, parts, options), isEnded: state.isEnded };
  } finally {
    state.sequence.close();
  }
}

/** Every flow of the golden, event by event. */
export async function checkFlows(executor: Executor): Promise<void> {
  const { golden } = readLfm2AudioGolden();
  const engine = await loadTalkEngine(executor);
  try {
    const names = Object.keys(golden.generation);
    expect(names.length).toBe(6);
    for (const name of names) {
      const { events, isEnded } = await generate(engine, name);
      expect(events, name).toEqual(wantedEvents(golden.generation[name]!));
      expect(isEnded, name).toBe(golden.generation[name]!.stopped_by_im_end);
    }
  } finally {
    await engine.dispose();
  }
}

/** The same prompts beside the reference, of a model whose heads every device takes. */
export async function checkFlowsBeside(executor: Executor): Promise<void> {
  const { golden } = readLfm2AudioGolden();
  const [reference, engine] = [
    await loadTalkEngine(createReferenceExecutor(), { hasWideHeads: true }), await loadTalkEngine(executor, { hasWideHeads: true }),
  ];
  try {
    let frames = 0;
    for (const name of Object.keys(golden.generation)) {
      const wanted = await generate(reference, name);
      expect(await generate(engine, name), name).toEqual(wanted);
      frames += wanted.events.filter((event) => 'codes' in event).length;
    }
    expect(frames).toBeGreaterThan(20);
  } finally {
    await Promise.all([reference.dispose(), engine.dispose()]);
  }
}

/**
 * An answer that was cut short goes on as if it had not been, whatever was made ahead of the cut; and one that is taken back to where it
 * began gives the same again.
 */
export async function checkCuts(executor: Executor, source: Lfm2AudioSource = {}): Promise<void> {
  const { golden } = readLfm2AudioGolden();
  const name = 'interleaved.switches';
  const engine = await loadTalkEngine(executor, source);
  const greedy = (mostSteps: number, flow = flowOf(engine, 'interleaved')) =>
    ({ flow, text: GREEDY, audio: GREEDY, seed: 0, mostSteps });
  try {
    const whole = (await generate(engine, name)).events;
    const state = talkState(engine);
    const flow = flowOf(engine, 'interleaved');
    const found = await eventsOf(engine, state, await partsOf(engine, golden.prompts[name]!), greedy(3, flow));
    const begins = state.answerBegins!;
    // Left in the middle of what was made at once.
    for await (const { events: some } of engine.answer(state, [], greedy(5, flow))) {
      found.push(...some);
      break;
    }
    found.push(...await eventsOf(engine, state, [], greedy(whole.length - found.length, flow)));
    expect(found).toEqual(whole);
    state.sequence.goTo(begins);
    state.pending.length = 0;
    // What was said is read again as rows; the last one of them gives the next.
    const kept = whole.slice(0, 6);
    const parts = kept.map((event): TalkPart => ('token' in event ? { tokens: [event.token] } : { frames: [event.codes] }));
    const again = flowOf(engine, 'interleaved');
    for (const event of kept) again.take(event);
    expect(await eventsOf(engine, state, parts, greedy(6, again))).toEqual(whole.slice(6, 12));
    state.sequence.close();
  } finally {
    await engine.dispose();
  }
}

/** An answer that is spoken while its next steps are made: the same events, and the sound of all its frames. */
async function checkSpoken(engine: TalkEngine, tolerance: number): Promise<void> {
  const { golden } = readLfm2AudioGolden();
  const name = 'interleaved.switches';
  const { events: wanted } = await generate(engine, name);
  const [state, voice, whole] = [talkState(engine), engine.openVoice(), engine.openVoice()];
  const options = { flow: flowOf(engine, 'interleaved'), text: GREEDY, audio: GREEDY, seed: 0, mostSteps: wanted.length, voice };
  const [events, found]: [TalkEvent[], number[]] = [[], []];
  for await (const step of engine.answer(state, await partsOf(engine, golden.prompts[name]!), options)) {
    events.push(...step.events);
    found.push(...(await step.samples) ?? []);
  }
  expect(events).toEqual(wanted);
  const frames = events.flatMap((event) => (isFrame(event, engine.endOfAudio) ? [event.codes] : []));
  expect(frames.length).toBeGreaterThan(2);
  expectClose('spoken', { wanted: [...await whole.push(frames), ...whole.end()], found: [...found, ...voice.end()] }, tolerance);
  for (const each of [voice, whole]) each.close();
  state.sequence.close();
}

/** Sound of frames as they come is the sound of all of them, and that of another conversation beside it too. */
export async function checkVoice(executor: Executor, tolerance: number, source: Lfm2AudioSource = {}): Promise<void> {
  const { ints } = readLfm2AudioGolden();
  const engine = await loadTalkEngine(executor, source);
  try {
    const codes = ints('detok.codes');
    const count = codes.length / CODEBOOKS;
    const frames = Array.from({ length: count }, (_, i) => Array.from({ length: CODEBOOKS }, (__, k) => codes[k * count + i]!));
    const wanted = vocoderGolden()('audio');
    const [one, other] = [engine.openVoice(), engine.openVoice()];
    const found: number[] = [];
    const besides: number[] = [...await other.push(frames)];
    for (const [from, to] of [[0, 1], [1, 2], [2, 5], [5, 7]] as const) found.push(...await one.push(frames.slice(from, to)));
    // All but the last 33 ms were there before the end.
    expect(found.length).toBe(wanted.length - 800);
    found.push(...one.end());
    besides.push(...other.end());
    expectClose('in parts', { wanted, found }, tolerance);
    expectClose('whole', { wanted, found: besides }, tolerance);
    one.close();
    other.close();
    // A voice on what others left in its place.
    const [short, shortCodes] = [engine.openVoice(), ints('detok_one.codes')];
    const single = [...await short.push([[...shortCodes]]), ...short.end()];
    expectClose('one frame', { wanted: vocoderGolden()('one.audio'), found: single }, tolerance);
    short.close();
    await checkSpoken(engine, tolerance);
  } finally {
    await engine.dispose();
  }
}

/** Chances by settings: the same seed gives the same, another one another; top-k of one is what greedy gives. */
export async function checkChances(executor: Executor, source: Lfm2AudioSource = {}): Promise<void> {
  const { golden } = readLfm2AudioGolden();
  const engine = await loadTalkEngine(executor, source);
  const name = 'interleaved.switches';
  const answer = async (temperature: number, topK: number, seed: number) => {
    const state = talkState(engine);
    const sampling = { temperature, topK };
    const options = { flow: flowOf(engine, 'interleaved'), text: sampling, audio: sampling, seed, mostSteps: 12 };
    try {
      return await eventsOf(engine, state, await partsOf(engine, golden.prompts[name]!), options);
    } finally {
      state.sequence.close();
    }
  };
  try {
    const greedy = await answer(0, 0, 1);
    expect(await answer(1, 1, 5)).toEqual(greedy);
    const one = await answer(1.2, 8, 5);
    expect(one).not.toEqual(greedy);
    expect(await answer(1.2, 8, 5)).toEqual(one);
    expect(await answer(1.2, 8, 6)).not.toEqual(one);
  } finally {
    await engine.dispose();
  }
}
