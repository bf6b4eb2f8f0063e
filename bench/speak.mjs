// Kokoro's real-time factor at real shapes, with random weights: seconds of work for each second of speech.
// node bench/speak.mjs [--device cpu|gpu|software] [--threads 2] [--frames 100,400] [--rounds 3] [--out FILE]
// A frame is 25 ms of speech. Phonemes are a quarter of the frames; durations are set, as those of random weights mean nothing. The first
// round warms up. Times are by the clock and of all threads' processor time, in ms, of the text graph, the pitch graph, the source and its
// spectra (the host), decoder and generator, and samples of spectra (the host). Random weights: nothing is said of what it sounds like.
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { harmonicSource } from '../dist/audio/harmonic-source.js';
import { decoderRun, generatorRun, pitchRun, stylesOf, textRun } from '../dist/engine/speech/kokoro/kokoro-runs.js';
import { seededNoise } from '../dist/engine/speech/kokoro/seeded-noise.js';
import { samplesOfSpectra, spectraOfSamples } from '../dist/engine/speech/kokoro/source-spectra.js';
import { kokoroGraphs } from '../dist/models/kokoro/kokoro.js';
import { openExecutor } from '../dist/node/load-model.js';
import { describeCommit } from './measurement.mjs';

const { values: flags } = parseArgs({
  options: {
    device: { type: 'string', default: 'cpu' }, threads: { type: 'string', default: '2' }, frames: { type: 'string', default: '100,400' },
    rounds: { type: 'string', default: '3' }, out: { type: 'string' },
  },
});
const lengths = flags.frames.split(',').map(Number);

/** config.json of hexgrad/Kokoro-82M, and what its tensors' shapes say. */
const config = {
  vocab: new Map(), vocabSize: 178, hidden: 512, style: 128, layers: 3, textTaps: 5, mostDuration: 50,
  bert: { embedding: 128, hidden: 768, heads: 12, inner: 2048, positions: 512, layers: 12 },
  decoderWidth: 1024, residualWidth: 64, warnings: [],
  generator: {
    channels: 512, stages: [{ rate: 10, taps: 20 }, { rate: 6, taps: 12 }],
    blocks: [3, 7, 11].map((taps) => ({ taps, dilations: [1, 3, 5] })), fftSize: 20, hop: 5, harmonics: 9,
  },
};

/** Values of about the size that trained ones have: products keep theirs, gains and frequencies are near 1. */
function randomWeight({ id, shape }) {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  let state = 0x9e3779b9;
  for (const letter of id) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193);
  const scale = shape.length > 1 ? 1 / Math.sqrt(shape.at(-1)) : 0.02;
  const mean = shape.length === 1 && /alpha|gamma|Norm\.weight|^ones$/.test(id) ? 1 : 0;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = mean + scale * (state / 2 ** 31) * Math.sqrt(3);
  }
  const bytes = new Uint8Array(values.buffer);
  const read = async (at, into) => into.set(bytes.subarray(at, at + into.length));
  return { id, type: 'f32', shape, sizeBytes: bytes.length, origin: id, read };
}

const executor = await openExecutor({ device: flags.device, ...(flags.device === 'cpu' ? { threads: Number(flags.threads) } : {}) });
const { model } = kokoroGraphs(config);
const mostFrames = Math.max(...lengths);
const loading = performance.now();
const program = await executor.load({
  model, weights: new Map(model.weights.map((weight) => [weight.id, randomWeight(weight)])),
  kv: { type: 'f32', pageTokens: 16, maxPages: 1 }, sizes: { tokens: 512, frames: mostFrames, halves: 2 * mostFrames },
});
await program.prepare?.();
const { weightBytes, workBytes } = program.memory;
const loadSeconds = ((performance.now() - loading) / 1000).toFixed(1);
console.log(`${executor.description}: loaded in ${loadSeconds} s, weights ${mb(weightBytes)}, work ${mb(workBytes)}`);

function mb(bytes) {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

const styles = stylesOf(Float32Array.from({ length: 256 }, (_, i) => Math.sin(i) / 4));
const copied = (values) => values.slice();

async function speak(frames) {
  const parts = {};
  const timed = async (name, work) => {
    const [clock, processor] = [performance.now(), process.cpuUsage()];
    const result = await work();
    const { user, system } = process.cpuUsage(processor);
    parts[name] = { clock: performance.now() - clock, processor: (user + system) / 1000 };
    return result;
  };
  const tokens = Int32Array.from({ length: Math.min(510, Math.ceil(frames / 4)) }, (_, i) => 1 + (i * 37) % 177);
  const text = await timed('text', async () => {
    const [made] = await program.run([textRun(tokens, styles)]);
    return { prosody: copied(made.get('prosody')), sounds: copied(made.get('sounds')) };
  });
  const durations = new Int32Array(tokens.length).fill(Math.floor(frames / tokens.length));
  durations[0] += frames - durations.reduce((sum, each) => sum + each, 0);
  const timedText = { ...text, durations };
  const curves = await timed('pitch', async () => {
    const [made] = await program.run([pitchRun(timedText, styles)]);
    return { pitch: copied(made.get('pitch')), loudness: copied(made.get('loudness')) };
  });
  const source = await timed('source', async () => {
    const weights = new Float32Array(9).fill(1 / 9);
    const pitch = curves.pitch.map((_, i) => (i % 40 < 30 ? 120 + 40 * Math.sin(i / 9) : 0));
    const samples = harmonicSource(pitch, { sampleRate: 24_000, samplesPerValue: 300, weights, bias: 0 }, seededNoise(1, 1 / 3));
    return spectraOfSamples(samples, config.generator);
  });
  const spectra = await timed('sound', async () => {
    const [, made] = await program.run([
      decoderRun(timedText, curves, styles),
      generatorRun({ frames, decoded: { graph: 'decoder', output: 'decoded' }, source }, styles, config.generator),
    ]);
    return copied(made.get('spectra'));
  });
  const samples = await timed('samples', async () => samplesOfSpectra(spectra, config.generator));
  return { seconds: samples.length / 24_000, parts };
}

for (const frames of lengths) {
  let best;
  for (let round = 0; round <= Number(flags.rounds); round++) {
    const made = await speak(frames);
    const clock = Object.values(made.parts).reduce((sum, part) => sum + part.clock, 0);
    const processor = Object.values(made.parts).reduce((sum, part) => sum + part.processor, 0);
    if (round > 0 && (best === undefined || clock < best.clock)) best = { ...made, clock, processor };
  }
  const shown = Object.entries(best.parts)
    .map(([name, { clock, processor }]) => `${name} ${clock.toFixed(1)} (${processor.toFixed(1)})`)
    .join(', ');
  const factor = (ms) => (ms / 1000 / best.seconds).toFixed(4);
  const factors = `${factor(best.clock)} by the clock, ${factor(best.processor)} of processors`;
  console.log(`${best.seconds.toFixed(1)} s of speech: ${shown} ms; real-time factor ${factors}`);
  if (flags.out !== undefined) {
    const line = { bench: 'speak', device: executor.description, frames, ...best, commit: describeCommit() };
    appendFileSync(flags.out, `${JSON.stringify(line)}\n`);
  }
}
await program.dispose();
