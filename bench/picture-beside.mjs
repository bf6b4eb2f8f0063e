// What a stream of tokens hears of a picture that another call brings: its gaps before, and while the picture is seen.
// node bench/picture-beside.mjs MODEL [--grid 96x128] [--device gpu|cpu] [--threads 2] [--pictures 4] [--out FILE]. The first picture meets
// kernels that are not compiled and a speed that is not known; each has a line of its own. Needs only dist/.
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { loadModel } from '../dist/node/load-model.js';

const { values: flags, positionals: [path] } = parseArgs({
  allowPositionals: true,
  options: {
    grid: { type: 'string', default: '96x128' }, device: { type: 'string', default: 'gpu' }, threads: { type: 'string', default: '2' },
    pictures: { type: 'string', default: '4' }, context: { type: 'string', default: '8192' },
    out: { type: 'string' },
  },
});
if (path === undefined) throw new Error('which model? node bench/picture-beside.mjs MODEL');
const [rows, columns] = flags.grid.split('x').map(Number);
const threads = flags.device === 'cpu' ? { threads: Number(flags.threads) } : {};
const mostPatches = rows * columns;
const model = await loadModel(path, { device: flags.device, ...threads, mostPatches, contextLength: Number(flags.context) });
await model.ready();
const { patchSize, temporalPatchSize } = model.vision;
let state = 1;
const random = () => ((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 31) - 1;
const patches = Float32Array.from({ length: rows * columns * 3 * temporalPatchSize * patchSize * patchSize }, random);
const text = (count, from) => Array.from({ length: count }, (_, i) => 1000 + ((from + 37 * i) % 5000));
const asked = { ignoreEos: true, temperature: 0, cachePrompt: false };

const left = new AbortController();
const times = [];
const stream = (async () => {
  try {
    for await (const _ of model.generate({ ...asked, ids: text(32, 1), maxTokens: Number(flags.context) - 64, signal: left.signal }))
      times.push(performance.now());
  } catch (error) {
    if (!left.signal.aborted) throw error;
  }
})();
const longest = (from, to) =>
  times.reduce((most, time, i) => (i > 0 && time > from && times[i - 1] < to ? Math.max(most, time - times[i - 1]) : most), 0);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
while (times.length < 20) await pause(10);
for (let n = 0; n < Number(flags.pictures); n++) {
  const quietFrom = performance.now();
  await pause(500);
  const from = performance.now();
  const segments = [text(12, n), { rows, columns, patches, key: `made ${n}` }, text(20, n)];
  for await (const _ of model.generate({ ...asked, segments, maxTokens: 1 }));
  const to = performance.now();
  const line = { picture: n, quietGapMs: longest(quietFrom, from), gapMs: longest(from, to), firstTokenMs: to - from };
  line.tokens = times.filter((time) => time > from && time < to).length;
  console.log(JSON.stringify(line));
  const record = { bench: 'picture-beside', model: basename(path), device: model.info.deviceDescription, grid: flags.grid, ...line };
  if (flags.out) appendFileSync(flags.out, `${JSON.stringify(record)}\n`);
}
left.abort();
await stream;
await model.dispose();
