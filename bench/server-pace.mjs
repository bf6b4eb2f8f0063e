/**
 * Whether a device waits for a server: streams of the engine in this process beside streams of a server over the same engine, whose client
 * is another process, on a device that is only a clock (`--step-ms` a step of up to 64 rows, `--row-us` a row of a prompt). Where the
 * server's thread is slower than the device, tokens a second fall below the engine's. Wall time: it says little on a busy machine.
 * Usage: node bench/server-pace.mjs [--streams 64] [--prompt 64] [--answer 256] [--step-ms 3.4] [--row-us 16] [--runs 4]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { answeringModel, answerTogether } from '../dist/bench/answer-together.js';
import { ingotAnswers } from '../dist/bench/engines/server-engines.js';
import { answerRate, decodeRate, gapsOf, percentile } from '../dist/bench/stream-load.js';
import { randomIds } from '../dist/bench/workloads.js';
import { listen } from '../dist/cli/serve/listen.js';
import { createModel } from '../dist/engine/model.js';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { locate } from '../dist/node/open-path.js';
import { bundledModelPath } from '../dist/node/package-root.js';
import { createServer } from '../dist/server/create-server.js';
import { programWithoutDevice } from './program-without-device.mjs';

const { values: flags } = parseArgs({
  options: {
    streams: { type: 'string', default: '64' }, prompt: { type: 'string', default: '64' }, answer: { type: 'string', default: '256' },
    'step-ms': { type: 'string', default: '3.4' }, 'row-us': { type: 'string', default: '16' }, runs: { type: 'string', default: '4' },
    serve: { type: 'boolean', default: false },
  },
});
const [streams, prompt, answerTokens, stepMs, rowUs, runs] = ['streams', 'prompt', 'answer', 'step-ms', 'row-us', 'runs']
  .map((name) => Number(flags[name]));
const MOST_ROWS = 64;

if (flags.serve) await serve();
else for (const [name, answers] of [['engine', inProcess], ['server', overHttp]]) await answers(name);

async function openModel() {
  const msOf = ({ rows, steps }) => (rows > MOST_ROWS ? (rows * rowUs) / 1000 : steps * stepMs);
  const load = async ({ model: graphs }) => programWithoutDevice(graphs, { mostSteps: 16, msOf });
  return createModel({
    checkpoint: await openCheckpoint(await locate(bundledModelPath())), executor: { kind: 'gpu', description: 'a clock', load },
    contextLength: prompt + answerTokens + 1, maxConcurrent: streams,
  });
}

async function serve() {
  const server = createServer({ models: { model: await openModel() }, limits: { requests: streams + 1 } });
  const { origin } = await listen({ host: '127.0.0.1', port: 0, fetch: server.fetch });
  process.send(origin);
  process.on('disconnect', () => process.exit());
}

async function inProcess(name) {
  const model = await openModel();
  await measure(name, answeringModel(model));
  await model.dispose();
}

async function overHttp(name) {
  const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--serve']);
  const [origin] = await once(child, 'message');
  await measure(name, ingotAnswers({ origin }));
  child.disconnect();
}

/** The first runs are slower, since no code is compiled yet. */
async function measure(name, answering) {
  for (let run = 1; run <= runs; run++) {
    const requests = Array.from({ length: streams }, (_, i) => {
      const ids = randomIds(prompt, { seed: run * streams + i, vocabSize: 4000 });
      return { ids: [run, i + 1, ...ids.slice(2)], answerTokens };
    });
    const load = { streams: await answerTogether(answering, requests) };
    const gaps = load.streams.flatMap((stream) => gapsOf(stream));
    console.log(
      `${name}, run ${run}: answers ${answerRate(load).toFixed(0)} tok/s, decode ${decodeRate(load)?.toFixed(0) ?? '-'}, ` +
        `gap p50 ${percentile(gaps, 0.5).toFixed(1)} ms, p99 ${percentile(gaps, 0.99).toFixed(1)}, ` +
        `${((streams * answerTokens) / gaps.length).toFixed(2)} tokens a piece`,
    );
  }
}
