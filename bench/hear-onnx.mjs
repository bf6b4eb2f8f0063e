// Moonshine tiny by onnxruntime, on the files that `ingot pull moonshine-tiny-en` reads: the same pieces as hear.mjs, in the same figures.
// node bench/hear-onnx.mjs FOLDER --onnx FOLDER2 --modules NODE_MODULES --runtime node|web [--threads 1] [--rounds 2] [--out FILE]
// FOLDER as of hear.mjs; FOLDER2 holds encoder_model.onnx and decoder_model_merged.onnx; NODE_MODULES holds onnxruntime-node, or
// onnxruntime-web, whose WASM transformers.js runs.
import { appendFileSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: flags, positionals: [folder] } = parseArgs({
  allowPositionals: true,
  options: {
    onnx: { type: 'string' }, modules: { type: 'string' }, runtime: { type: 'string', default: 'node' },
    threads: { type: 'string', default: '1' }, rounds: { type: 'string', default: '2' }, out: { type: 'string' },
  },
});
if (folder === undefined || flags.onnx === undefined || flags.modules === undefined)
  throw new Error('which files? node bench/hear-onnx.mjs FOLDER --onnx FOLDER2 --modules NODE_MODULES');
const threads = Number(flags.threads);
const require = createRequire(pathToFileURL(join(resolve(flags.modules), 'x.js')));
const ort = flags.runtime === 'node' ? require('onnxruntime-node') : await import(pathToFileURL(require.resolve('onnxruntime-web')).href);
if (flags.runtime === 'web') ort.env.wasm.numThreads = threads;

const { pieces, max_tokens: maxTokens } = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
const file = readFileSync(join(folder, 'speech-60s.wav'));
const samples = Float32Array.from(new Int16Array(file.buffer.slice(file.byteOffset + 44, file.byteOffset + file.length)), (v) => v / 32768);

const options = flags.runtime === 'node'
  ? { executionProviders: ['cpu'], intraOpNumThreads: threads, interOpNumThreads: 1 } : { executionProviders: ['wasm'] };
const [encoder, decoder] = await Promise.all(['encoder_model.onnx', 'decoder_model_merged.onnx']
  .map((name) => ort.InferenceSession.create(new Uint8Array(readFileSync(join(flags.onnx, name))), options)));

const [LAYERS, HEADS, HEAD_DIM] = [6, 8, 36];
const caches = (side) => Array.from({ length: LAYERS }, (_, n) => ['key', 'value'].map((part) => `${n}.${side}.${part}`)).flat();
const NAMES = [...caches('decoder'), ...caches('encoder')];

function likeliest(logits) {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  return best;
}

const processorMs = (since) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

async function hearPiece({ piece, samples: [from, to], ids }) {
  const [clock, processor] = [performance.now(), process.cpuUsage()];
  const input = new ort.Tensor('float32', samples.slice(from, to), [1, to - from]);
  const { last_hidden_state: heard } = await encoder.run({ input_values: input });
  const listener = { clock: performance.now() - clock, processor: processorMs(processor) };
  const past = Object.fromEntries(NAMES.map((name) => [name, new ort.Tensor('float32', new Float32Array(0), [0, HEADS, 1, HEAD_DIM])]));
  const tokens = [1];
  while (tokens.length <= maxTokens) {
    const isFirst = tokens.length === 1;
    const outputs = await decoder.run({
      input_ids: new ort.Tensor('int64', BigInt64Array.of(BigInt(tokens.at(-1))), [1, 1]), encoder_hidden_states: heard,
      use_cache_branch: new ort.Tensor('bool', [!isFirst], [1]),
      ...Object.fromEntries(Object.entries(past).map(([name, tensor]) => [`past_key_values.${name}`, tensor])),
    });
    // What the encoder gave is made in the first step alone.
    for (const name of NAMES) if (isFirst || name.includes('decoder')) past[name] = outputs[`present.${name}`];
    tokens.push(likeliest(outputs.logits.data));
    if (tokens.at(-1) === 2) break;
  }
  const all = { clock: performance.now() - clock, processor: processorMs(processor) };
  return { piece, tokens: tokens.length - 1, wanted: ids.length, listener, all, timesReal: (to - from) / 16 / all.clock };
}

let results = [];
for (let round = 0; round < Number(flags.rounds); round++) {
  results = [];
  for (const piece of pieces) results.push(await hearPiece(piece));
}
for (const { piece, tokens, listener, all, timesReal } of results) {
  const shown = ({ clock, processor }) => `${clock.toFixed(0)} (${processor.toFixed(0)})`;
  console.log(`piece ${piece}: ${tokens} tokens, listener ${shown(listener)} ms, all ${shown(all)} ms, ${timesReal.toFixed(1)} x`);
}
const total = (of) => results.reduce((sum, result) => sum + of(result), 0);
console.log(`onnxruntime-${flags.runtime}, ${threads} threads: ${total(({ all }) => all.clock).toFixed(0)} ms (processor ` +
  `${total(({ all }) => all.processor).toFixed(0)}) for ${total(({ tokens }) => tokens)} tokens of 60 s`);
if (flags.out !== undefined) appendFileSync(flags.out, `${JSON.stringify({ ...flags, results })}\n`);
