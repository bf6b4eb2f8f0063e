/** The public types of the server: what `createServer` takes and returns. */
import type { Model } from '../engine/api.ts';
import type { VoiceDetector } from '../engine/speech/voice-detector.ts';
import type { SpeechModel } from '../engine/speech/speech-model.ts';
import type { VoiceModel } from '../engine/speech/voice-model.ts';
import type { TalkModel } from '../engine/talk/talk-model.ts';
import type { MemoryNeeds } from '../engine/memory-needs.ts';
import type { OnProgress } from '../tensor/progress.ts';
import type { CancelSignal, Platform } from '../tensor/platform.ts';
import type { OpenTelemetryApi } from './open-telemetry.ts';
import type { RequestRecord } from './request-record.ts';
import type { ServerStore } from './store.ts';

/** A `Request`, as fetch has it. */
export type ServerRequest = Platform<'Request'>;
/** A `Response`, as fetch has it. */
export type ServerResponse = Platform<'Response'>;

/** What one client, and all of them together, may ask for. */
export interface ServerLimits {
  /** Most bytes of a request's body, and of all images that it has fetched; default 8 MiB. */
  readonly bodyBytes?: number | undefined;
  /** Most milliseconds in which a body has to arrive; default 30,000. */
  readonly bodyMs?: number | undefined;
  /** Most requests at work at once, streams among them; default 256. One more is answered with 503. */
  readonly requests?: number | undefined;
  /** Most tokens of an answer: a request for more is refused, one that names no number gets as many. Default: what the context has left. */
  readonly outputTokens?: number | undefined;
  /** Most answers to one request (`n`, times the prompts of a completion); default 16. */
  readonly choices?: number | undefined;
  /** Most texts of a request for embeddings or a ranking; default 2,048. */
  readonly texts?: number | undefined;
  /**
   * Most milliseconds that a request waits for its model to be loaded, or for the memory that it takes; default 300,000. Then it is
   * answered with 503, and the load goes on.
   */
  readonly loadMs?: number | undefined;
  /** Most milliseconds of a request, from its arrival to its last byte; default 600,000. */
  readonly requestMs?: number | undefined;
  /** Most milliseconds in which a client takes no byte of a stream; default 60,000. */
  readonly stallMs?: number | undefined;
  /** Most bytes of a file of `/v1/files`, and of a sound of `/v1/audio`; default 100 MiB. */
  readonly fileBytes?: number | undefined;
  /** Most requests of a batch; default 50,000. */
  readonly batchRequests?: number | undefined;
  /** Most requests of batches that run at once; default 4. */
  readonly batchConcurrency?: number | undefined;
  /** Most sessions of `/v1/realtime` at once, which are among the requests at work; default 64. One more is answered with 503. */
  readonly sessions?: number | undefined;
  /** Most milliseconds of a session; default 3,600,000. */
  readonly sessionMs?: number | undefined;
  /** Most milliseconds in which a session's client sends nothing; default 600,000. */
  readonly sessionIdleMs?: number | undefined;
  /** Most pixels of an image in a request; default 16 million. All images of a conversation have at most four times as many. */
  readonly imagePixels?: number | undefined;
}

/** What the server serves: models of text (embeddings among them), that hear, that speak, and that answer speech with speech. */
export type ServedModel = Model | SpeechModel | VoiceModel | TalkModel;
export const MODEL_KINDS = ['text', 'speech', 'voice', 'talk'] as const;
export type ModelKind = (typeof MODEL_KINDS)[number];

/** A model that the server loads when a request needs it, and frees when it is idle or another one needs its memory. */
export interface ModelLoader {
  /** What it loads, so that a request of the other kind is refused before that. Default `text`. */
  readonly kind?: ModelKind | undefined;
  /**
   * Loads it; the model is the server's. What it rejects with is told to nobody but `onRequest`.
   * @param options.signal aborts when nobody waits any more: nothing of the load may stay then
   * @param options.spareMemory bytes that the model may take beyond what it has, as it is now: for `loadModel`
   */
  load(options: { readonly signal: CancelSignal; readonly spareMemory: () => number }): Promise<ServedModel>;
  /** What it takes at least. Without it, a model is loaded whether or not others leave it room. */
  memoryNeeds?(options: { readonly signal: CancelSignal }): Promise<MemoryNeeds>;
  /**
   * Whether its files are on this machine, so that `memoryNeeds` reads and downloads nothing: a list of models tells then what an unloaded
   * one needs. Default: nobody knows.
   */
  isHere?(): boolean;
}

/** Brings models onto the server's machine that its clients ask for (`POST /v1/models/download`, Ollama's `/api/pull`). */
export interface ModelDownloads {
  /**
   * Downloads a model, or finds it there.
   * @param id as a client wrote it: nothing that it may say is to be taken for a path or a URL of this machine's network
   * @param options.signal aborts when the client has left; what came may stay, for the next time
   * @returns the name that requests are to have for it, and what loads it; `alias` where it is a model that was brought by another id
   * @throws InputError for an id that means nothing, in words for the client. What else it rejects with is told to nobody but `onRequest`;
   * clients are told that there is no room (CapacityError), that it came and is none that runs here (FormatError), or that it did not come
   */
  download(
    id: string, options: { readonly signal: CancelSignal; readonly onProgress: OnProgress },
  ): Promise<{ readonly name: string; readonly loader: ModelLoader; readonly alias?: string | undefined }>;
}

/** What models of text hear and speak with, where a conversation has sound. */
export interface ServerSpeech {
  /** Name of the model that hears. Default: the first that does. */
  readonly ears?: string | undefined;
  /** Name of the model that speaks. Default: the first that does. */
  readonly voice?: string | undefined;
  /** What tells speech from silence (`loadVoiceDetector`): asked once, by the first session that listens, and the server's then. */
  readonly detector?: (() => Promise<VoiceDetector>) | undefined;
}

/** The files of the app, which `appFiles()` of `ingot` reads. */
export interface AppFiles {
  /** What the file of this path (`index.html`, `assets/x.js`) holds; undefined where the app has none. */
  read(path: string): Promise<Uint8Array | undefined>;
}

export interface ServerOptions {
  /**
   * Models by the names that requests have for them. Loaded ones stay the caller's, and may have several names; the others are loaded when
   * they are needed (`modelLoader`, `speechModelLoader` and so on of `ingot` make such), and freed by {@link Server.close} at the latest.
   */
  readonly models: Readonly<Record<string, ServedModel | ModelLoader>>;
  /** Further names, and whose they are: `{ 'gpt-4o-mini': 'small' }`. */
  readonly aliases?: Readonly<Record<string, string>> | undefined;
  /** Names of models that stay once they are loaded. */
  readonly pinned?: readonly string[] | undefined;
  /** Most bytes of weights and states of all models together, work memory left out. Default: as many as the device gives. */
  readonly memoryBytes?: number | undefined;
  /** Milliseconds after its last request in which a model is freed; default: it stays until another one needs its memory. */
  readonly idleMs?: number | undefined;
  /**
   * Names that the header Host may have, besides `localhost`, names below it and addresses, so that no web page can have the server's
   * name stand for it (DNS rebinding). `['*']`: any.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Origins of web pages that may use the server, `https://app.example.com`; `['*']`: all. Default: none but its own. */
  readonly corsOrigins?: readonly string[] | undefined;
  /**
   * Hosts that images in requests are fetched from: `images.example.com` stands for its ports 80 and 443, `images.example.com:8443` for
   * that port alone. Default: none, so that images are data URLs.
   */
  readonly imageHosts?: readonly string[] | undefined;
  readonly limits?: ServerLimits | undefined;
  /** The app to have at `/`, `appFiles()` of `ingot`. Default: none, and 404 there. */
  readonly app?: AppFiles | undefined;
  /** Where clients may have models downloaded: what does that. Default: they may not. Keys that may ask some models only may not either. */
  readonly downloads?: ModelDownloads | undefined;
  /** Default: the first models that hear and speak, and nothing that tells speech from silence. */
  readonly speech?: ServerSpeech | undefined;
  /** Milliseconds after which a stream that has nothing to say sends a comment, for proxies; default 10,000. */
  readonly heartbeatMs?: number | undefined;
  /** What the server keeps: keys, quotas, an audit log, responses, files and batches. Default: nothing. It stays the caller's. */
  readonly store?: ServerStore | undefined;
  /** Whether requests need a key of the store's also while it has none; default false: from the first key on. */
  readonly requireKeys?: boolean | undefined;
  /** Whether the audit log has the bodies of requests; default false. */
  readonly auditPrompts?: boolean | undefined;
  /**
   * What becomes of requests while the audit log cannot be written. `refuse` (default): none is taken, and one whose entry is lost fails.
   * `serve`: they are answered, and `onStoreError` hears of it.
   */
  readonly auditFailure?: 'refuse' | 'serve' | undefined;
  /** How many milliseconds responses are kept (`/v1/responses`), and files that name no time; default 30 days. */
  readonly responseMs?: number | undefined;
  readonly fileMs?: number | undefined;
  /** Called when something could not be kept. */
  readonly onStoreError?: ((error: unknown) => void) | undefined;
  /** Called when a request is over. */
  readonly onRequest?: ((record: RequestRecord) => void) | undefined;
  /** OpenTelemetry's API, `await import('@opentelemetry/api')`, for a span of each request to a model. Default: no spans. */
  readonly openTelemetry?: OpenTelemetryApi | undefined;
}

/** A WebSocket that is open, whatever the platform has for it. */
export interface ServerSocket {
  /** Sends a text message. Resolves when it has left this process's memory. Never rejects. */
  send(text: string): Promise<void>;
  /** Reads nothing from it until {@link resume}. */
  pause(): void;
  resume(): void;
  /** Ends it with a code of RFC 6455; what was sent goes out first. */
  close(code: number, reason: string): void;
  /** Ends it at once. */
  terminate(): void;
}

/** What hears a socket. */
export interface ServerSocketReader {
  message(data: string | Uint8Array): void;
  /** It is over, whoever ended it. */
  closed(): void;
}

/** What becomes of a request for a WebSocket: a refusal, or what speaks on the socket. */
export type ServerUpgrade =
  | { readonly response: ServerResponse }
  | {
      /** Of those that the client offered (`sec-websocket-protocol`). */
      readonly protocol: string | undefined;
      /** Exactly one of both is to be called. */
      open(socket: ServerSocket): ServerSocketReader;
      /** The client has left before the socket was open. */
      abandon(): void;
    };

export interface Server {
  /** Answers a request. Never rejects. */
  readonly fetch: (request: ServerRequest) => Promise<ServerResponse>;
  /** As {@link fetch}, of a request for a WebSocket (`upgrade: websocket`): `/v1/realtime`. Never rejects. */
  readonly upgrade: (request: ServerRequest) => Promise<ServerUpgrade>;
  /** Most bytes of a message of such a socket: the platform is to close it with the code 1009 beyond. */
  readonly messageBytes: number;
  /** How many requests are at work. */
  readonly active: number;
  /** How many of them are streams. */
  readonly streams: number;
  /** The models there are, and whether they are loaded. */
  readonly models: readonly { readonly name: string; readonly status: string }[];
  /**
   * Takes no more requests (503, `/ready` too) and resolves when those at work are over.
   * @param options.withinMs those that take longer are stopped then; default: none is
   */
  drain(options?: { readonly withinMs?: number | undefined }): Promise<void>;
  /** Loads a model before it is asked for, however long that takes. @throws CapacityError, InputError; what its loader rejects with */
  load(name: string, options?: { readonly signal?: CancelSignal | undefined }): Promise<void>;
  /** Frees all models that the server loaded; {@link Server.drain} comes before it. Idempotent. */
  close(): Promise<void>;
}
