// How late the text of a turn is after the pause that ends it, while a recording comes as fast as it was spoken.
// node bench/hear-live.mjs FILE.wav [--model PATH] [--device cpu|gpu] [--threads 2] [--piece-ms 32] [--partial-ms 500] [--seconds N]
// [--out FILE]. Without --model: what "ingot pull moonshine-tiny-en" got. A turn's lateness counts from when the last sample came that
// makes the pause long enough (its end plus the silence that is not kept), not from when the detector looked at it. FILE: 16 bits, mono.
import { appendFileSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { loadSpeechModel, pullModel } from '../dist/node/index.js';
import { describeCommit } from './measurement.mjs';

const { values: flags, positionals: [file] } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' }, device: { type: 'string', default: 'cpu' }, threads: { type: 'string', default: '2' },
    'piece-ms': { type: 'string', default: '32' }, 'partial-ms': { type: 'string', default: '500' }, seconds: { type: 'string' },
    tokenizer: { type: 'string' }, out: { type: 'string' },
  },
});
if (file === undefined) throw new Error('which recording? node bench/hear-live.mjs FILE.wav');
/** As engine/speech/turn-recogniser.ts has them: silence that ends a turn, and what of it the turn keeps. */
const TURNS = { endSilenceMs: 600, postRollMs: 200 };
const FRAME_MS = 32;
const frames = (ms) => Math.round(ms / FRAME_MS) * FRAME_MS;

const bytes = readFileSync(file);
const sampleRate = bytes.readUInt32LE(24);
const all = Float32Array.from(new Int16Array(bytes.buffer.slice(bytes.byteOffset + 44, bytes.byteOffset + bytes.length)), (v) => v / 32768);
const samples = flags.seconds === undefined ? all : all.subarray(0, Number(flags.seconds) * sampleRate);

const model = await loadSpeechModel(flags.model ?? (await pullModel('moonshine-tiny-en')), {
  device: flags.device, ...(flags.device === 'cpu' ? { threads: Number(flags.threads) } : {}), tokenizer: flags.tokenizer,
});
const heard = () => model.transcribe({ samples: samples.subarray(0, 2 * sampleRate), sampleRate }, { pieceSeconds: 2 });
await heard();

let startMs = 0;
async function* asSpoken() {
  const length = Math.round((Number(flags['piece-ms']) / 1000) * sampleRate);
  startMs = performance.now();
  for (let at = 0; at < samples.length; at += length) {
    const piece = samples.subarray(at, at + length);
    await wait(Math.max(0, startMs + (1000 * (at + piece.length)) / sampleRate - performance.now()));
    yield piece;
  }
}

const results = [];
let [partials, firstPartialMs, turnStart] = [0, [], 0];
const processor = process.cpuUsage();
for await (const event of model.listen({ chunks: asSpoken(), sampleRate }, { partialMs: Number(flags['partial-ms']) })) {
  const nowMs = performance.now() - startMs;
  if (event.kind === 'start') [turnStart, partials] = [event.start, 0];
  if (event.kind === 'partial' && partials++ === 0) firstPartialMs.push(nowMs - 1000 * turnStart);
  if (event.kind !== 'final') continue;
  const { start, end, text } = event.segment;
  const decidedMs = Math.min(1000 * end + frames(TURNS.endSilenceMs) - frames(TURNS.postRollMs), (1000 * samples.length) / sampleRate);
  results.push({ start, end, lateMs: nowMs - decidedMs, ownLateMs: event.lateMs, partials, text });
  console.log(`${start.toFixed(1)} to ${end.toFixed(1)} s: ${(nowMs - decidedMs).toFixed(0)} ms late, ${partials} partial texts: ${text}`);
}
const { user, system } = process.cpuUsage(processor);
const sorted = results.map(({ lateMs }) => lateMs).toSorted((a, b) => a - b);
const processorShare = (user + system) / 1e6 / (samples.length / sampleRate);
const late = `${results.length} turns, late by ${sorted[sorted.length >> 1].toFixed(0)} ms (median), ${sorted.at(-1).toFixed(0)} ms (most)`;
console.log(`${late}; first partial ` +
  `${(firstPartialMs.reduce((a, b) => a + b, 0) / firstPartialMs.length).toFixed(0)} ms after its turn's first sample; ` +
  `processor time ${processorShare.toFixed(2)} of the sound's, ${model.info.device}`);
if (flags.out !== undefined)
  appendFileSync(flags.out, `${JSON.stringify({ commit: describeCommit(), ...flags, processorShare, firstPartialMs, results })}\n`);
await model.dispose();
