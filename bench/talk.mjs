// What an answer of LFM2-Audio to sounds of some lengths takes: features, ears, time to the first sound, steps a second, end to end; and
// what of a frame is the depth transformer's.
// node bench/talk.mjs FILE.gguf [--device cpu|gpu|software] [--threads 1] [--seconds 3.8,11.2,34.7] [--steps 200] [--rounds 1]
//   [--out FILE]
// A sound is heard as it comes (features are made of each tenth of a second while the next is spoken), and once more given as a whole.
// The model may be of random weights (`ingot synth lfm2.5-audio-1.5b`): no token ends an answer here. Times are by the clock, in ms; a
// round before those that count warms up. A step is a text token or a frame of 80 ms of speech.
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { featuresOfSound, openComingSound } from '../dist/engine/talk/hear-sound.js';
import { createTalkEngine } from '../dist/engine/talk/create-talk-engine.js';
import { createTalkFlow } from '../dist/engine/talk/talk-flow.js';
import { backboneRun, frameRun } from '../dist/engine/talk/talk-runs.js';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { openDecoder } from '../dist/models/open-decoder.js';
import { openExecutor } from '../dist/node/load-model.js';
import { locate } from '../dist/node/open-path.js';
import { describeCommit } from './measurement.mjs';

const { values: flags, positionals: [path] } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'cpu' }, threads: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '3.8,11.2,34.7' }, steps: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '1' }, out: { type: 'string' },
  },
});
if (path === undefined) throw new Error('which model? node bench/talk.mjs FILE.gguf');
const lengths = flags.seconds.split(',').map(Number);
const mostSteps = Number(flags.steps);

const checkpoint = await openCheckpoint(await locate(path));
const decoder = await openDecoder(checkpoint);
const executor = await openExecutor({ device: flags.device, ...(flags.device === 'cpu' ? { threads: Number(flags.threads) } : {}) });
const began = performance.now();
const engine = await createTalkEngine({ executor, decoder, contextLength: 2048, mostSeconds: Math.ceil(Math.max(...lengths)) + 1 });
await checkpoint.close();
await engine.program.prepare?.();
console.log(`${executor.description}: loaded in ${((performance.now() - began) / 1000).toFixed(1)} s`);

const GREEDY = { temperature: 0, topK: 0 };
const SPEECH = { temperature: 1, topK: 4 };
const { dim, ears, interleaved, vocabSize } = engine.config;

/** Tones that rise and fall, and noise: silence would be features of zeros. */
function soundOf(seconds) {
  let noise = 1;
  const samples = Float32Array.from({ length: Math.round(16_000 * seconds) }, (_, t) => {
    noise = (Math.imul(noise, 1_664_525) + 1_013_904_223) >>> 0;
    return 0.2 * Math.sin((t / 16_000) * 2 * Math.PI * (220 + 100 * Math.sin(t / 5000))) + 0.02 * (noise / 2 ** 31 - 1);
  });
  return { samples, sampleRate: 16_000 };
}

/** A flow whose answer no token ends: random weights may choose any. */
function endless(mode) {
  const flow = createTalkFlow(mode, -1);
  const isMark = (event) => 'token' in event && (event.token === 7 || event.token === 130 || event.token === 128);
  return {
    get makes() {
      return flow.makes;
    },
    get ahead() {
      return flow.ahead;
    },
    take: (event) => ({ ...flow.take(isMark(event) ? { token: 1 } : event), isOver: false }),
  };
}

const openState = () => ({ sequence: engine.open(), pending: [], answerBegins: undefined, isEnded: false });
const words = (count) => ({ tokens: Array.from({ length: count }, (_, i) => (i * 7919) % Math.min(vocabSize, 60_000)) });
const since = (from) => performance.now() - from;

/** Samples of a piece of sound that comes. */
const PIECE = 1600;

/** The features of a sound: of all of it at once, or, where it comes, what is left of them when its last piece does. */
async function featuresAfter({ samples, sampleRate }, isComing) {
  const limits = { bands: ears.bins, mostSeconds: samples.length / sampleRate + 1 };
  if (!isComing) {
    const start = performance.now();
    return { start, ...(await featuresOfSound({ samples, sampleRate }, limits)) };
  }
  const sound = openComingSound(limits);
  const last = Math.max(0, samples.length - PIECE);
  for (let at = 0; at < last; at += PIECE) sound.push(samples.subarray(at, Math.min(last, at + PIECE)));
  const start = performance.now();
  sound.push(samples.subarray(last));
  return { start, ...sound.end() };
}

/** The whole of an answer, as a listener has it: from the end of the sound on. */
async function answer(seconds, isComing = true) {
  const { start, features } = await featuresAfter(soundOf(seconds), isComing);
  const featuresMs = since(start);
  const state = openState();
  const voice = engine.openVoice();
  const found = { featuresMs, frames: 0, tokens: 0 };
  const parts = [words(24), await engine.hear(features), words(8)];
  const options = { flow: endless({ kind: 'interleaved', ...interleaved }), text: GREEDY, audio: SPEECH, seed: 1, mostSteps, voice };
  for await (const { events, samples } of engine.answer(state, parts, options)) {
    found.firstTokenMs ??= since(start);
    const frames = events.flatMap((event) => ('codes' in event && !event.codes.includes(engine.endOfAudio) ? [event.codes] : []));
    found.frames += frames.length;
    found.tokens += events.length - frames.length;
    if (((await samples)?.length ?? 0) > 0) found.firstSoundMs ??= since(start);
  }
  voice.end();
  found.allMs = since(start);
  found.stepsPerSecond = ((found.frames + found.tokens - 1) / (found.allMs - found.firstTokenMs)) * 1000;
  found.timesReal = (found.frames * 80) / found.allMs;
  found.positions = state.sequence.length;
  voice.close();
  state.sequence.close();
  return found;
}

/** What the ears alone take, with what they make read by the host. */
async function earsMs(seconds) {
  const { features } = await featuresOfSound(soundOf(seconds), { bands: ears.bins, mostSeconds: seconds + 1 });
  const { run } = await engine.hear(features);
  if (run === undefined) return Number.NaN;
  const start = performance.now();
  await engine.run([{ ...run, wanted: ['embeddings'] }]);
  return since(start);
}

/** Text alone, behind a prompt: what the backbone does as a language model. */
async function textRate(steps) {
  const state = openState();
  let first;
  const options = { flow: endless({ kind: 'sequential' }), text: GREEDY, audio: GREEDY, seed: 1, mostSteps: steps };
  for await (const { events } of engine.answer(state, [words(64)], options)) first ??= { at: performance.now(), made: events.length };
  const rate = ((steps - first.made) / since(first.at)) * 1000;
  state.sequence.close();
  return rate;
}

/** Frames of one state: lists of 1 and of several, whose difference is theirs alone. */
async function depthMs(frames) {
  const settings = Array.from({ length: 8 }, (_, k) => [1, 4, 0.1 + k / 10]);
  const state = openState();
  const { sequence } = state.sequence.walk().step(1);
  const timed = async (count) => {
    const runs = Array.from({ length: count }, () => frameRun(settings, { pages: [[0], []] }));
    const start = performance.now();
    await engine.run([backboneRun(new Float32Array(dim).fill(0.1), sequence), ...runs]);
    return since(start);
  };
  await timed(2);
  const [one, more] = [await timed(1), await timed(1 + frames)];
  state.sequence.close();
  return (more - one) / frames;
}

const isSlow = flags.device !== 'gpu';
await answer(lengths[0]);
if (!isSlow) for (const seconds of lengths) await answer(seconds);
const results = [];
const cases = lengths.flatMap((seconds) => [true, false].map((isComing) => ({ seconds, isComing })));
for (let round = 0; round < Number(flags.rounds); round++) {
  for (const { seconds, isComing } of cases) {
    const result = { seconds, isComing, earsMs: await earsMs(seconds), ...(await answer(seconds, isComing)) };
    results.push(result);
    const ms = (name) => `${name} ${result[`${name}Ms`].toFixed(1)} ms`;
    console.log(
      `${seconds} s ${isComing ? 'as it came' : 'at once'}: ` +
        `${['features', 'ears', 'firstToken', 'firstSound', 'all'].map(ms).join(', ')}; ${result.tokens} tokens and ` +
        `${result.frames} frames, ${result.stepsPerSecond.toFixed(1)} steps/s, speech ${result.timesReal.toFixed(2)} x real time`,
    );
  }
}
const text = await textRate(isSlow ? 17 : 129);
const depth = await depthMs(isSlow ? 2 : 16);
const step = 1000 / text;
const share = depth / (depth + step);
const interleavedShare = results.at(-1).stepsPerSecond / text;
console.log(
  `text alone ${text.toFixed(1)} tokens/s; a frame's codes ${depth.toFixed(2)} ms, ${(100 * share).toFixed(0)}% of a frame; ` +
    `interleaved steps ${(100 * interleavedShare).toFixed(0)}% of text alone`,
);
const record = { commit: describeCommit(), ...flags, out: undefined, executor: executor.description, text, depth, share, results };
if (flags.out !== undefined) appendFileSync(flags.out, `${JSON.stringify(record)}\n`);
await engine.dispose();
