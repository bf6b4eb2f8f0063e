// What Whisper takes of 30 s of sound, by its sizes alone: the encoder, tokens a second, and both for a window of so many tokens, beside
// whisper.cpp on the same file. Weights are random, so that nothing is said of what is heard.
// node bench/hear-shapes.mjs base large-v3-turbo [--device cpu|gpu] [--threads 2] [--type f16|q8_0|q5_0] [--tokens 128] [--rounds 2]
// [--whisper-cpp BUILD] [--folder /tmp] [--out FILE]. BUILD/bin holds whisper-bench and (for types but f16) whisper-quantize.
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createSoundDecoder } from '../dist/engine/sound-decoder.js';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { openDecoder } from '../dist/models/open-decoder.js';
import { openExecutor } from '../dist/node/load-model.js';
import { locate } from '../dist/node/open-path.js';
import { describeCommit } from './measurement.mjs';
import { SHAPES, writeWhisper } from './whisper-shapes.mjs';

const { values: flags, positionals: shapes } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'cpu' }, threads: { type: 'string', default: '2' }, type: { type: 'string', default: 'f16' },
    tokens: { type: 'string', default: '128' }, rounds: { type: 'string', default: '2' }, 'whisper-cpp': { type: 'string' },
    folder: { type: 'string', default: tmpdir() }, out: { type: 'string' },
  },
});
if (shapes.length === 0) throw new Error(`which shapes? ${Object.keys(SHAPES).join(', ')}`);
const [tokens, rounds] = [Number(flags.tokens), Number(flags.rounds)];
const SECONDS = 30;

/** The file in the type: whisper.cpp's own where it is at hand, else quantised while it is loaded. */
function fileOf(shape) {
  const plain = join(flags.folder, `ingot-whisper-${shape}-f16.bin`);
  if (!existsSync(plain)) writeWhisper(plain, shape);
  if (flags.type === 'f16') return { path: plain };
  if (flags['whisper-cpp'] === undefined) return { path: plain, quantize: flags.type };
  const path = plain.replace('f16', flags.type);
  if (!existsSync(path)) spawnSync(join(flags['whisper-cpp'], 'bin/whisper-quantize'), [plain, path, flags.type], { stdio: 'inherit' });
  return { path };
}

const processorMs = (since) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

async function ours({ path, quantize }, shape) {
  const checkpoint = await openCheckpoint(await locate(path));
  const opened = await openDecoder(checkpoint, { quantize });
  const executor = await openExecutor({ device: flags.device, ...(flags.device === 'cpu' ? { threads: Number(flags.threads) } : {}) });
  const decoder = await createSoundDecoder({ executor, decoder: opened, mostRows: 100 * SECONDS });
  await checkpoint.close();
  const mel = Float32Array.from({ length: 100 * SECONDS * SHAPES[shape].bands }, (_, i) => Math.sin(i));
  const times = [];
  for (let round = 0; round <= rounds; round++) {
    const [clock, processor] = [performance.now(), process.cpuUsage()];
    const sound = await decoder.hear(mel);
    // A device works on while the host goes on: a step waits for it.
    await decoder.logits([{ sound, tokens: [1], outputs: [0] }]);
    const encode = { clock: performance.now() - clock, processor: processorMs(processor) };
    const [clock2, processor2] = [performance.now(), process.cpuUsage()];
    const [answer] = await decoder.greedy([sound], { prompt: [2], endIds: [], maxTokens: tokens });
    if (answer.length !== tokens) throw new Error(`${answer.length} tokens for ${tokens}`);
    const token = { clock: (performance.now() - clock2) / tokens, processor: processorMs(processor2) / tokens };
    sound.close();
    // The first round warms up.
    if (round > 0) times.push({ encode, token });
  }
  await decoder.dispose();
  const best = (of) => Math.min(...times.map(of));
  return {
    engine: `ingot, ${executor.description}`, encodeMs: best((t) => t.encode.clock), tokenMs: best((t) => t.token.clock),
    encodeProcessorMs: best((t) => t.encode.processor), tokenProcessorMs: best((t) => t.token.processor),
  };
}

/** The times that whisper-bench prints, of its one run behind a warm one. */
function theirs({ path }) {
  const args = ['-m', path, '-t', flags.threads, ...(flags.device === 'cpu' ? ['-ng'] : [])];
  const { stdout, stderr, status } = spawnSync(join(flags['whisper-cpp'], 'bin/whisper-bench'), args, { encoding: 'utf8' });
  const printed = `${stdout}${stderr}`;
  const each = (name) => {
    const [, total, runs] = new RegExp(`${name} time =\\s*([\\d.]+) ms /\\s*(\\d+) runs`).exec(printed) ?? [];
    if (total === undefined) throw new Error(`whisper-bench (${status}) printed no ${name} time: ${printed.slice(-500)}`);
    return Number(total) / Number(runs);
  };
  return { engine: 'whisper.cpp', encodeMs: each('encode'), tokenMs: each('decode') };
}

for (const shape of shapes) {
  const file = fileOf(shape);
  const rows = [];
  if (flags['whisper-cpp'] !== undefined) rows.push(theirs(file));
  rows.push(await ours(file, shape));
  for (const row of rows) {
    const windowMs = row.encodeMs + tokens * row.tokenMs;
    const processor = row.encodeProcessorMs === undefined ? '' :
      ` (processor ${row.encodeProcessorMs.toFixed(0)} and ${row.tokenProcessorMs.toFixed(2)} ms)`;
    const what = `whisper-${shape} ${flags.type}, ${row.engine}`;
    console.log(`${what}: encoder ${row.encodeMs.toFixed(0)} ms, ${(1000 / row.tokenMs).toFixed(0)} tokens/s, ` +
      `${tokens} tokens ${(1000 * SECONDS / windowMs).toFixed(1)} x real time${processor}`);
    const about = { commit: describeCommit(), shape, type: flags.type, device: flags.device, threads: flags.threads, tokens };
    if (flags.out !== undefined) appendFileSync(flags.out, `${JSON.stringify({ ...about, ...row })}\n`);
  }
}
