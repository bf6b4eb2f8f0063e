/** `ingot serve` and llama.cpp's server as engines of many streams: each in a process of its own, and its client in another one, this. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot, packageVersion } from '../../node/package-root.ts';
import { answerTogether } from '../answer-together.ts';
import type { AnsweredTokens, Answering } from '../answer-together.ts';
import type { Engine, EngineFacts, OpenEngine } from '../engine.ts';
import { eventTokens, startServer } from '../server-process.ts';
import type { ServerProcess } from '../server-process.ts';
import type { StreamRequest } from '../stream-load.ts';
import { deviceOf } from './ingot-device.ts';
import { programBuild, programPath } from './installed-program.ts';

const execute = promisify(execFile);

/** In which kernels that no answer waited for are compiled; 8 s left one to the load, all streams of which waited 0.3 s for it. */
const GPU_REST_MS = 20_000;

export const ingotServerEngine: Engine = {
  name: 'ingot-server',
  workloads: ['concurrency', 'server'],
  batchSizes: [],
  problem: () => undefined,
  build: () => packageVersion(),
  async open(settings) {
    const { modelPath, device, threads, contextLength, kvType, streams = 1 } = settings;
    const optional = { '--threads': device === 'cpu' ? threads : undefined, '--kv-type': kvType };
    const server = await startServer({
      program: process.execPath,
      args: [
        join(packageRoot, 'dist', 'cli', 'main.js'), 'serve', `model=${modelPath}`, '--port', '0', '--no-log-requests', '--device',
        deviceOf(settings),
        '--context', String(contextLength), '--max-concurrent', String(streams), '--max-requests', String(streams + 1),
        ...Object.entries(optional).flatMap(([flag, value]) => (value === undefined ? [] : [flag, String(value)])),
      ],
      listening: /serving .* at http:\/\/127\.0\.0\.1:(\d+)/,
    });
    if (device !== 'cpu') await new Promise((resolve) => setTimeout(resolve, GPU_REST_MS));
    const facts = { version: packageVersion(), device, flags: { contextLength, kv: await servedKvType(server), threads: threads ?? null } };
    return openServer({ facts, server, answering: ingotAnswers(server) });
  },
};

/** The type of keys and values that the server says its model has. */
async function servedKvType({ origin }: ServerProcess): Promise<string> {
  const metrics = await (await fetch(`${origin}/metrics`)).text();
  return /cache_dtype="([^"]+)"/.exec(metrics)?.[1] ?? 'not told';
}

/** Of a server that has a model of the name `model`. */
export function ingotAnswers({ origin }: Pick<ServerProcess, 'origin'>): Answering {
  return ({ ids, answerTokens }) =>
    eventTokens(`${origin}/v1/completions`, {
      model: 'model', prompt: ids, max_tokens: answerTokens + 1, temperature: 0, ignore_eos: true, return_token_ids: true, stream: true,
      stream_options: { include_usage: true },
    }, ({ choices: [choice], usage }): AnsweredTokens => ({
      tokens: choice?.token_ids.length ?? 0, cachedTokens: usage?.prompt_tokens_details.cached_tokens,
    }));
}

/** Tokens of one compute graph, as for llama-batched-bench. */
const LLAMA_BATCH = 2048;
/** Of keys and values; the program is told. */
const KV_TYPE = 'f16';

export const llamaServerEngine: Engine = {
  name: 'llama-server',
  workloads: ['concurrency', 'server'],
  batchSizes: [LLAMA_BATCH],
  problem({ modelPath, program }) {
    if (!modelPath.toLowerCase().endsWith('.gguf')) return 'it reads GGUF files only';
    if (program === undefined)
      return 'give the path of the program by --llama-server or LLAMA_SERVER (bench/README.md says how to build it)';
    return programPath(program) === undefined ? `there is no program ${program}` : undefined;
  },
  build: ({ program }) => programBuild(program),
  async open(settings) {
    const { modelPath, device, threads = availableParallelism(), contextLength, streams = 1 } = settings;
    const program = settings.program as string;
    const port = String(await freePort());
    // Each slot's context is a multiple of 256 positions.
    const context = streams * Math.ceil(contextLength / 256) * 256;
    const server = await startServer({
      program,
      args: [
        '-m', modelPath, '--host', '127.0.0.1', '--port', port, '-np', String(streams), '-c', String(context), '-t', String(threads),
        '-ngl', device === 'gpu' ? '99' : '0', '-fa', 'on', '-b', String(LLAMA_BATCH), '-ub', String(LLAMA_BATCH), '-ctk', KV_TYPE,
        '-ctv', KV_TYPE, '--no-webui',
        // No copies of slots' states in the host's memory for prompts that may come again.
        '--cache-ram', '0', '--ctx-checkpoints', '0', '--slot-prompt-similarity', '0',
        // Its HTTP side has a thread for each stream.
        '--threads-http', String(streams + 4),
      ],
      listening: new RegExp(`(?:listening|running).*127\\.0\\.0\\.1:(${port})`),
    });
    const { stdout, stderr } = await execute(program, ['--version']);
    const version = /version: (.+)/.exec(`${stdout}\n${stderr}`)?.[1] ?? 'unknown';
    const facts = { version, device, flags: { context, batchSize: LLAMA_BATCH, flashAttention: true, threads, kv: KV_TYPE } };
    return openServer({ facts, server, answering: llamaAnswers(server) });
  },
};

/**
 * It reads all of an answer's text again at every token, also where no chat is asked for, and refuses what random weights write in halves
 * of characters: so it is held to one token, the letter a of byte-level vocabularies. One sampler is the least that it takes for that.
 */
const LETTER = 64;

function llamaAnswers({ origin }: ServerProcess): Answering {
  return ({ ids, answerTokens }) => {
    const body = {
      prompt: ids, n_predict: answerTokens + 1, temperature: 0, ignore_eos: true, cache_prompt: false, stream: true,
      logit_bias: [[LETTER, 1000]], samplers: ['top_k'], top_k: 1,
    };
    let before = 0;
    // A token that ends within a character has no event of its own.
    return eventTokens(`${origin}/completion`, body, ({ tokens_predicted: predicted }): AnsweredTokens => {
      const tokens = predicted - before;
      before = predicted;
      return { tokens };
    });
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

interface OpenServer {
  readonly facts: EngineFacts;
  readonly server: ServerProcess;
  readonly answering: Answering;
}

function openServer({ facts, server, answering }: OpenServer): OpenEngine {
  let loads = 0;
  /** Prompts that begin otherwise than all before, so that none is in the cache. */
  const anew = (requests: readonly StreamRequest[]) => {
    loads++;
    return requests.map((request, i) => ({ ...request, ids: [loads, i + 1, ...request.ids.slice(2)] }));
  };
  return {
    facts,
    async serve(requests) {
      await answerTogether(answering, anew(requests));
      return { streams: await answerTogether(answering, anew(requests)), hasMeanGaps: false };
    },
    close: () => server.close(),
  };
}
