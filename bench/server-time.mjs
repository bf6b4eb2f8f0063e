/**
 * What the server costs the processor for a piece of an answer, without any model: streams of a made-up one, all of which get a piece at
 * every tick, and whose client is another process. Processor time tells it on a busy machine too.
 * Usage: node bench/server-time.mjs [--streams 1,16,64,256] [--pieces 400] [--runs 3] [--json FILE.jsonl]
 * A profile: node --cpu-prof bench/server-time.mjs ...
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { request } from 'node:http';
import { parseArgs } from 'node:util';
import { listen } from '../dist/cli/serve/listen.js';
import { createServer } from '../dist/server/create-server.js';
import { describeCommit, summarise } from './measurement.mjs';

const { values: flags } = parseArgs({
  options: {
    streams: { type: 'string', default: '1,16,64,256' },
    pieces: { type: 'string', default: '400' },
    runs: { type: 'string', default: '3' },
    json: { type: 'string' },
    client: { type: 'string' },
  },
});
const pieces = Number(flags.pieces);
if (flags.client !== undefined) await beClient(flags.client, Number(flags.streams));
else for (const streams of flags.streams.split(',').map(Number)) await measure(streams);

/** Streams of one server, read to their ends. */
async function beClient(url, streams) {
  const body = JSON.stringify({ model: 'made-up', messages: [{ role: 'user', content: 'a' }], stream: true });
  const read = async () => {
    const sent = request(url, { method: 'POST', headers: { 'content-type': 'application/json' }, agent: false }).end(body);
    const [response] = await once(sent, 'response');
    await once(response.resume(), 'end');
  };
  await Promise.all(Array.from({ length: streams }, read));
}

/** Ticks when every stream has taken its piece: the next pieces come to all of them together. */
function createTicker() {
  let waiting = [];
  let isDue = false;
  const tick = () => {
    isDue = false;
    const taken = waiting;
    waiting = [];
    for (const resolve of taken) resolve();
  };
  return () => new Promise((resolve) => {
    waiting.push(resolve);
    if (!isDue) setImmediate(tick);
    isDue = true;
  });
}

function madeUpModel() {
  const next = createTicker();
  const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: pieces };
  async function* generate() {
    for (let at = 0; at < pieces; at++) {
      await next();
      const text = ' token';
      const last = at === pieces - 1 ? { finishReason: 'stop', usage } : {};
      yield { index: 0, text, tokens: [at], parts: [{ kind: 'text', text, tokens: [at] }], ...last };
    }
  }
  return { info: { name: 'made-up' }, generate };
}

/** Microseconds of processor time that nothing but the streams of a run took. */
async function measure(streams) {
  const server = createServer({ models: { 'made-up': madeUpModel() }, limits: { requests: streams + 1 } });
  const listener = await listen({ host: '127.0.0.1', port: 0, fetch: server.fetch });
  const micros = [];
  for (let run = 0; run <= Number(flags.runs); run++) {
    const before = process.cpuUsage();
    const url = `${listener.origin}/v1/chat/completions`;
    const args = [process.argv[1], '--client', url, '--streams', String(streams)];
    const [code] = await once(spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] }), 'close');
    if (code !== 0) throw new Error(`the client ended with ${code}`);
    const { user, system } = process.cpuUsage(before);
    // The first one is not counted.
    if (run > 0) micros.push((user + system) / (streams * pieces));
  }
  listener.destroy();
  await listener.close();
  const found = summarise(micros);
  const [median, min, max] = [found.median, found.min, found.max].map((value) => value.toFixed(1));
  console.log(`${String(streams).padStart(3)} streams: ${median} us a piece (${min} to ${max})`);
  const line = { time: new Date().toISOString(), bench: 'server-time', commit: describeCommit(), streams, pieces, micros: found };
  if (flags.json) appendFileSync(flags.json, `${JSON.stringify(line)}\n`);
}
