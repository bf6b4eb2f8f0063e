// What a Parakeet takes of so many seconds of features: its encoder alone, and all of it up to tokens, and times real time.
// node bench/hear-frames.mjs MODEL [--device cpu|gpu|software] [--threads 1] [--seconds 30] [--sounds 1] [--rounds 3] [--quantize TYPE]
// [--out FILE]. MODEL is a folder, or a file of `ingot synth parakeet-tdt-0.6b q8_0`: the features are random, and so is what is
// heard then. Times are by the clock and of all threads' processor time, in ms; the first round warms up and does not count.
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { createFrameDecoder } from '../dist/engine/speech/parakeet/frame-decoder.js';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { conformerInputs } from '../dist/models/conformer.js';
import { openDecoder } from '../dist/models/open-decoder.js';
import { PARAKEET } from '../dist/models/parakeet.js';
import { openExecutor } from '../dist/node/load-model.js';
import { locate } from '../dist/node/open-path.js';
import { describeCommit } from './measurement.mjs';

const { values: flags, positionals: [path] } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'cpu' }, threads: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '30' }, sounds: { type: 'string', default: '1' }, rounds: { type: 'string', default: '3' },
    quantize: { type: 'string' }, out: { type: 'string' },
  },
});
if (path === undefined) throw new Error('which model? node bench/hear-frames.mjs MODEL');
const [seconds, sounds, rounds] = [Number(flags.seconds), Number(flags.sounds), Number(flags.rounds)];

const checkpoint = await openCheckpoint(await locate(path));
const opened = await openDecoder(checkpoint, { quantize: flags.quantize });
const executor = await openExecutor({ device: flags.device, ...(flags.device === 'cpu' ? { threads: Number(flags.threads) } : {}) });
const decoder = await createFrameDecoder({ executor, decoder: opened, mostFrames: 100 * seconds, sounds });
await checkpoint.close();
await decoder.program.prepare?.();

/** Of mean 0 and variance about 1, the same in each run. */
let state = 1;
const random = () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return (state / 2 ** 32 - 0.5) * Math.sqrt(12);
};
const features = Array.from({ length: sounds }, () => Float32Array.from({ length: 100 * seconds * opened.config.encoder.bins }, random));

async function timed(work) {
  const [clock, before] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return { result, clock: performance.now() - clock, processor: (user + system) / 1000 };
}

const { graph, encoded } = PARAKEET.encoder;
const runs = features.map((each) => ({ graph, ...conformerInputs(decoder.config.encoder, each), wanted: [encoded] }));
const results = [];
for (let round = 0; round <= rounds; round++) {
  const encode = await timed(() => decoder.program.run(runs));
  const all = await timed(() => decoder.hear(features));
  const tokens = all.result.reduce((sum, { length }) => sum + length, 0);
  const times = ({ clock, processor }) => ({ clock: Math.round(clock * 10) / 10, processor: Math.round(processor * 10) / 10 });
  const result = { encode: times(encode), all: times(all), tokens, timesReal: (1000 * seconds * sounds) / all.clock };
  console.log(`${round === 0 ? 'warming up' : `round ${round}`}: ${JSON.stringify(result)}`);
  if (round > 0) results.push(result);
}
console.log(executor.description, decoder.program.memory);
const line = { commit: describeCommit(), ...flags, model: basename(path), executor: executor.description, results };
if (flags.out !== undefined) appendFileSync(flags.out, `${JSON.stringify(line)}\n`);
await decoder.dispose();
