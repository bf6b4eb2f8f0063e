// What a model that sees takes of pictures of 224 x 224, 512 x 512, 1,024 x 1,024 and 2,048 x 1,536 pixels, as its family cuts and resizes
// them: its tower alone, the time to the first token of a prompt with the picture, and decode behind it.
// node bench/see.mjs MODEL [--device cpu|gpu|software] [--threads 2] [--sizes 224,512,1024,2048x1536] [--rounds 3] [--tokens 32]
// [--quantize TYPE] [--out FILE]. MODEL is a folder, or a file of `ingot synth lfm2.5-vl-1.6b` with the tower's beside it: pixels are
// random. Times are by the clock and of all threads' processor time, in ms; the first round warms up and does not count.
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { openDecoder } from '../dist/models/open-decoder.js';
import { pictureTokens, SEEING, towerRun, visionSizes } from '../dist/models/vision.js';
import { loadModel, openExecutor } from '../dist/node/load-model.js';
import { locate } from '../dist/node/open-path.js';
import { describeCommit } from './measurement.mjs';

const { values: flags, positionals: [path] } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'cpu' }, threads: { type: 'string', default: '2' },
    sizes: { type: 'string', default: '224,512,1024,2048x1536' }, rounds: { type: 'string', default: '3' },
    tokens: { type: 'string', default: '32' }, quantize: { type: 'string' }, out: { type: 'string' },
  },
});
if (path === undefined) throw new Error('which model? node bench/see.mjs MODEL');
const [rounds, tokens] = [Number(flags.rounds), Number(flags.tokens)];
const threads = flags.device === 'cpu' ? { threads: Number(flags.threads) } : {};

/** Patches [rows, columns] of the pictures that an image becomes: tiles and a thumbnail of LFM2-VL, one picture of Qwen. */
const tiles = (count) => Array.from({ length: count }, () => [32, 32]);
const GRIDS = {
  'lfm2-vl': { '224': [[16, 16]], '512': tiles(1), '1024': tiles(5), '2048x1536': [...tiles(6), [26, 36]] },
  'qwen-vl': { '224': [[16, 16]], '512': [[32, 32]], '1024': [[64, 64]], '2048x1536': [[96, 128]] },
};
const sizes = flags.sizes.split(',');

let state = 1;
const random = () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 31 - 1;
};
let made = 0;
function picturesOf({ family, patchSize, temporalPatchSize }, size) {
  const width = 3 * temporalPatchSize * patchSize * patchSize;
  return GRIDS[family][size].map(([rows, columns]) => ({
    rows, columns, patches: Float32Array.from({ length: rows * columns * width }, random), key: `made ${made++}`,
  }));
}
const mostPatches = (family) => Math.max(...sizes.flatMap((size) => GRIDS[family][size].map(([rows, columns]) => rows * columns)));

async function timed(work) {
  const [clock, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { clock: Math.round((performance.now() - clock) * 10) / 10, processor: Math.round((user + system) / 100) / 10 };
}

const results = Object.fromEntries(sizes.map((size) => [size, { tower: [], answers: [] }]));
async function timeTowers() {
  const checkpoint = await openCheckpoint(await locate(path));
  const first = await openDecoder(checkpoint);
  const { model, weights, vision } = await openDecoder(checkpoint, { mostPatches: mostPatches(first.vision.info.family) });
  const executor = await openExecutor({ device: flags.device, ...threads });
  const kv = { type: 'f16', pageTokens: 64, maxPages: 4 };
  const program = await executor.load({ model, weights, kv, sizes: { rows: 64, ...visionSizes(vision) } });
  await checkpoint.close();
  for (const size of sizes) {
    const pictures = picturesOf(vision.info, size);
    for (let round = 0; round <= rounds; round++) {
      const own = await timed(async () => {
        for (const picture of pictures) await program.run([towerRun(vision, picture, [SEEING.tower.embeddings])]);
      });
      if (round > 0) results[size].tower.push(own);
    }
    console.log(`tower ${size}: ${JSON.stringify(results[size].tower)}`);
  }
  const { memory } = program;
  await program.dispose();
  return { vision, memory };
}

const { vision, memory } = await timeTowers();
const model = await loadModel(path, {
  device: flags.device, ...threads, mostPatches: mostPatches(vision.info.family), quantize: flags.quantize, contextLength: 4096,
});
await model.ready();
const text = (count, from) => Array.from({ length: count }, (_, i) => 1000 + ((from + 37 * i) % 5000));
for (const size of sizes) {
  for (let round = 0; round <= rounds; round++) {
    const pictures = picturesOf(vision.info, size);
    const segments = [text(12, round), ...pictures.flatMap((picture) => [text(1, 9), picture]), text(20, round)];
    let last;
    const asked = { segments, maxTokens: tokens, ignoreEos: true, temperature: 0, cachePrompt: false };
    for await (const piece of model.generate(asked)) last = piece;
    const { ttftMs, decodeTokensPerSecond } = last.timings;
    const pictureRows = pictures.reduce((sum, picture) => sum + pictureTokens(vision.info, picture), 0);
    const answer = {
      ttftMs: Math.round(ttftMs * 10) / 10, decode: Math.round(decodeTokensPerSecond * 10) / 10,
      prompt: last.usage.promptTokens, pictureRows,
    };
    if (round > 0) results[size].answers.push(answer);
  }
  console.log(`answers ${size}: ${JSON.stringify(results[size].answers)}`);
}
console.log(model.info.deviceDescription, memory);
const line = { commit: describeCommit(), ...flags, out: undefined, model: basename(path), executor: model.info.deviceDescription, results };
if (flags.out !== undefined) appendFileSync(flags.out, `${JSON.stringify(line)}\n`);
await model.dispose();
