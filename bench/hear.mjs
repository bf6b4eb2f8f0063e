// What a model that hears takes of pieces of a recording, and whether its tokens are those expected: listener, all, times real time.
// node bench/hear.mjs FOLDER [--model FILE.gguf] [--device cpu|gpu|software] [--threads 1] [--rounds 1] [--quantize TYPE] [--out FILE]
// [--part FROM-TO: seconds of the recording in place of the pieces] [--draft SECONDS: what is heard without its last seconds is a draft]
// FOLDER holds speech-60s.wav (16 bits, 16 kHz, one channel) and expected.json (`pieces` with `samples` and `ids`), and the model unless
// --model names another. Times are by the clock and of all threads' processor time, in ms; the first round warms up where there are more.
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createSoundDecoder } from '../dist/engine/sound-decoder.js';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { openDecoder } from '../dist/models/open-decoder.js';
import { openExecutor } from '../dist/node/load-model.js';
import { locate } from '../dist/node/open-path.js';
import { describeCommit } from './measurement.mjs';

const { values: flags, positionals: [folder] } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' }, device: { type: 'string', default: 'cpu' }, threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '1' }, part: { type: 'string' }, draft: { type: 'string' },
    quantize: { type: 'string' }, out: { type: 'string' },
  },
});
if (folder === undefined) throw new Error('which folder? node bench/hear.mjs FOLDER');
const { pieces: expected, max_tokens: maxTokens } = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
const file = readFileSync(join(folder, 'speech-60s.wav'));
const samples = Float32Array.from(new Int16Array(file.buffer.slice(file.byteOffset + 44, file.byteOffset + file.length)), (v) => v / 32768);

const pieces = flags.part === undefined
  ? expected
  : [{ piece: flags.part, samples: flags.part.split('-').map((seconds) => Math.round(16_000 * seconds)) }];

const checkpoint = await openCheckpoint(await locate(flags.model ?? folder));
const opened = await openDecoder(checkpoint, { quantize: flags.quantize });
const executor = await openExecutor({ device: flags.device, ...(flags.device === 'cpu' ? { threads: Number(flags.threads) } : {}) });
const decoder = await createSoundDecoder({ executor, decoder: opened, mostRows: Math.max(...pieces.map(({ samples: [a, b] }) => b - a)) });
await checkpoint.close();

/** Tokens to be put in, taken out or changed (Levenshtein 1966). */
function tokenErrors(found, wanted) {
  let row = Array.from({ length: found.length + 1 }, (_, i) => i);
  for (const [j, token] of wanted.entries()) {
    const next = [j + 1];
    for (const [i, own] of found.entries()) next.push(Math.min(next[i] + 1, row[i + 1] + 1, row[i] + (own === token ? 0 : 1)));
    row = next;
  }
  return row.at(-1);
}

const processorMs = (since) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

const greedy = async (heard, drafts) => (await decoder.greedy([heard], { prompt: [1], endIds: [2], maxTokens, drafts }))[0];

/** Without times: what is said of samples. */
async function tokensOf(from, to) {
  const heard = await decoder.hear(samples.subarray(from, to));
  const tokens = await greedy(heard);
  heard.close();
  return tokens;
}

async function hearPiece({ piece, samples: [from, to], ids }) {
  const wanted = ids ?? (await tokensOf(from, to));
  const drafts = flags.draft === undefined ? undefined : [await tokensOf(from, to - Math.round(16_000 * flags.draft))];
  const [clock, processor] = [performance.now(), process.cpuUsage()];
  const heard = await decoder.hear(samples.subarray(from, to));
  // On a GPU the listener is only handed over here: its time is in `all`.
  const listener = { clock: performance.now() - clock, processor: processorMs(processor) };
  const tokens = await greedy(heard, drafts);
  const all = { clock: performance.now() - clock, processor: processorMs(processor) };
  heard.close();
  return { piece, errors: tokenErrors(tokens, wanted), tokens: wanted.length, listener, all, timesReal: (to - from) / 16 / all.clock };
}

const results = [];
for (let round = 0; round < Number(flags.rounds); round++) {
  results.length = 0;
  for (const piece of pieces) results.push(await hearPiece(piece));
}
for (const { piece, errors, tokens, listener, all, timesReal } of results) {
  const shown = ({ clock, processor }) => `${clock.toFixed(0)} (${processor.toFixed(0)})`;
  const times = `listener ${shown(listener)} ms, all ${shown(all)} ms, ${timesReal.toFixed(1)} x`;
  console.log(`piece ${piece}: ${errors} errors of ${tokens}, ${times}`);
}
const errors = results.reduce((sum, result) => sum + result.errors, 0);
console.log(`${errors} token errors of ${results.reduce((sum, { tokens }) => sum + tokens, 0)}, ${executor.description}`);
if (flags.out !== undefined) appendFileSync(flags.out, `${JSON.stringify({ commit: describeCommit(), ...flags, results })}\n`);
await decoder.dispose();
