/** `/v1/realtime` of a server with ember, Moonshine, a small Kokoro and a small LFM2-Audio, asked by OpenAI's own clients. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { afterAll, beforeAll } from 'vitest';
import { decodeSamples } from '../src/audio/wav-samples.ts';
import { resample } from '../src/audio/resample.ts';
import { listen } from '../src/cli/serve/listen.ts';
import type { Listener } from '../src/cli/serve/listen.ts';
import { loadVoiceDetector } from '../src/node/load-voice-detector.ts';
import { modelLoader, speechModelLoader, talkModelLoader, voiceModelLoader } from '../src/node/model-loader.ts';
import { bundledDetectorPath, bundledModelPath } from '../src/node/package-root.ts';
import type { Server, ServerOptions } from '../src/server/api.ts';
import { createServer } from '../src/server/create-server.ts';
import type { RequestRecord } from '../src/server/request-record.ts';
import { hasShared, sharedPath } from './fixture-tensors.ts';
import { KOKORO_GOLDEN } from './kokoro-golden.ts';
import { letterPhonemizer, makeVoiceFolder } from './kokoro-voice.ts';
import { letterTokenizer } from './letter-text.ts';
import { LFM2_AUDIO_FOLDER, LFM2_AUDIO_GOLDEN } from './lfm2-audio-golden.ts';

const MOONSHINE = `${sharedPath}/real/moonshine`;

/** What the rig's models are made of lies beside the repository. */
export const hasRealtimeModels =
  hasShared('real/moonshine/model.safetensors') && hasShared('vocab/llama-spm.gguf') && hasShared(KOKORO_GOLDEN) &&
    hasShared(LFM2_AUDIO_GOLDEN);

export interface RealtimeRig {
  readonly server: Server;
  readonly origin: string;
  readonly client: OpenAI;
  readonly records: RequestRecord[];
  /** A session by OpenAI's client, whose events are kept, when it is created. */
  open(model?: string, headers?: Record<string, string>): Promise<RealtimeClient>;
}

export type RealtimeEvent = { readonly type: string } & Record<string, any>;

export interface RealtimeClient {
  readonly socket: OpenAIRealtimeWS;
  readonly events: RealtimeEvent[];
  send(event: object): void;
  /** The next event of the type behind those that were waited for. @throws after 50 s */
  until(type: string, isIt?: (event: RealtimeEvent) => boolean): Promise<RealtimeEvent>;
  /** Resolves with the code that the socket was closed with. */
  readonly closed: Promise<number>;
}

const WAIT_MS = 50_000;

export function realtimeRig(options: Omit<ServerOptions, 'models' | 'speech' | 'onRequest'> = {}): RealtimeRig {
  const rig = { records: [] as RequestRecord[] } as { -readonly [Name in keyof RealtimeRig]: RealtimeRig[Name] };
  const folder = mkdtempSync(join(tmpdir(), 'ingot-realtime-'));
  let listener: Listener;
  const clients: RealtimeClient[] = [];
  beforeAll(async () => {
    makeVoiceFolder(folder);
    const one = { device: 'cpu', threads: 1 } as const;
    rig.server = createServer({
      ...options,
      models: {
        ember: modelLoader(bundledModelPath(), { ...one, contextLength: 1024 }),
        hear: speechModelLoader(MOONSHINE, { ...one, tokenizer: `${sharedPath}/vocab/llama-spm.gguf` }),
        kokoro: voiceModelLoader(folder, { ...one, mostFrames: 60, phonemizer: letterPhonemizer }),
        talk: talkModelLoader(LFM2_AUDIO_FOLDER, { device: 'reference', tokenizer: letterTokenizer(163, 11), contextLength: 512,
          mostSeconds: 2 }),
      },
      aliases: { 'gpt-realtime': 'ember', 'whisper-1': 'hear' },
      speech: { detector: () => loadVoiceDetector(bundledDetectorPath()) },
      onRequest: (record) => void rig.records.push(record),
    });
    const { fetch, upgrade, messageBytes } = rig.server;
    listener = await listen({ host: '127.0.0.1', port: 0, fetch, sockets: { upgrade, messageBytes } });
    rig.origin = listener.origin;
    rig.client = new OpenAI({ baseURL: `${listener.origin}/v1`, apiKey: 'none', maxRetries: 0 });
    rig.open = async (model = 'ember', headers = {}) => {
      const opened = openClient(rig.client, { model, headers, origin: listener.origin });
      clients.push(opened);
      await opened.until('session.created');
      return opened;
    };
  });
  afterAll(async () => {
    for (const { socket } of clients) socket.socket.terminate();
    await rig.server?.drain({ withinMs: 1000 });
    await rig.server?.close();
    listener?.destroy();
    await listener?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return rig;
}

/** The client asks with TLS whatever its address says: the connection that it gets has none. */
function openClient(
  client: OpenAI, { model, headers, origin }: { readonly model: string; readonly headers: Record<string, string>; readonly origin: string },
): RealtimeClient {
  const { hostname, port } = new URL(origin);
  const options = { headers, createConnection: () => connect(Number(port), hostname) };
  const socket = new OpenAIRealtimeWS({ model, options: options as object }, client);
  const events: RealtimeEvent[] = [];
  let at = 0;
  let wake = (): void => {};
  socket.on('event', (event) => {
    events.push(event as RealtimeEvent);
    wake();
  });
  // Errors are events too, which tests look for.
  socket.on('error', () => {});
  const closed = new Promise<number>((resolve) => socket.socket.on('close', (code) => {
    resolve(code);
    wake();
  }));
  return {
    socket, events, closed,
    send: (event) => socket.send(event as Parameters<OpenAIRealtimeWS['send']>[0]),
    async until(type, isIt = () => true) {
      const end = Date.now() + WAIT_MS;
      for (;;) {
        for (; at < events.length; at++) if (events[at]!.type === type && isIt(events[at]!)) return events[at++]!;
        const left = end - Date.now();
        if (left <= 0) throw new Error(`no event ${type} within ${WAIT_MS} ms: ${events.map((event) => event.type).join(' ')}`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
  };
}

/** Seconds of the recording that Moonshine's own answers are known of, as events have sound. */
export function recordedSpeech(from: number, to: number): Int16Array {
  const bytes = readFileSync(`${MOONSHINE}/speech-60s.wav`);
  const samples = decodeSamples(bytes.subarray(44 + 32_000 * from, 44 + 32_000 * to), { coding: 'integer', sampleBytes: 2 });
  return Int16Array.from(resample({ samples, sampleRate: 16_000 }, 24_000).samples, (sample) => Math.round(32767 * sample));
}

export function base64Of(samples: Int16Array): string {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength).toString('base64');
}
