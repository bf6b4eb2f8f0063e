/** What the benchmark asks of an engine. One more engine is one more record of this form in `engines/engine-named.ts`. */
import type { DeviceKind } from '../graph/executor.ts';
import type { KvChoice } from '../graph/kv-types.ts';
import type { ServedLoad, StreamRequest } from './stream-load.ts';

/** How long a device works before a prompt is timed: the first of several runs of a short prompt find an H200's clock still low. */
const WARM_MS = 400;

/** Runs `work` until the device has worked for {@link WARM_MS}, at least once. */
export async function warmed(work: () => Promise<unknown>): Promise<void> {
  const startMs = performance.now();
  do await work();
  while (performance.now() - startMs < WARM_MS);
}

export type WorkloadName =
  | 'prefill' | 'decode' | 'ttft' | 'load' | 'turns' | 'drift' | 'busy' | 'concurrency' | 'interruption' | 'server' | 'structured'
  | 'quality' | 'tasks' | 'pictures' | 'hearing' | 'speaking';

/** What a process of an engine is opened for: any tokens, conversations alone, a model's tower alone, or one that sees, hears or speaks. */
export type Purpose = 'tokens' | 'conversation' | 'towers' | 'pictures' | 'hearing' | 'speaking';

/** Plain data: it goes to the process that the engine runs in. */
export interface EngineSettings {
  readonly modelPath: string;
  /** What the engine calls the same weights, where that is no path: a name on a server, another format's folder. */
  readonly modelName?: string | undefined;
  readonly device: DeviceKind;
  /** Which of the machine's GPUs, from 0, where it was said. */
  readonly gpu?: number | undefined;
  /** CPU threads; undefined: the engine's own choice. */
  readonly threads?: number | undefined;
  /** Tokens of prompt and answer together. */
  readonly contextLength: number;
  /** Type of keys and values: ingot's own choice where it is undefined, and for what other engines take see their flags. */
  readonly kvType?: KvChoice | undefined;
  /** Most tokens of one prefill step, for engines that let it be chosen. */
  readonly batchSize?: number | undefined;
  /** A rival's own name of the device: `vulkan`, `cuda`, `metal`; undefined: the best that it finds for `device`. */
  readonly backend?: string | undefined;
  /** Path of the engine's program, for engines that are one; of a browser, for those that run in one. */
  readonly program?: string | undefined;
  /** Where the engine listens, for servers that somebody else started: `http://127.0.0.1:1234/v1`. */
  readonly url?: string | undefined;
  /** Name of the environment variable that holds the server's key. */
  readonly keyVariable?: string | undefined;
  /** Folder whose node_modules hold the engine's package. */
  readonly packages?: string | undefined;
  /** False: a page that is not cross-origin isolated, as most hosts serve it, so that it has no threads. */
  readonly isIsolated?: boolean | undefined;
  readonly purpose: Purpose;
  /** Those that will be seen, of a model that sees: the largest decides what memory it takes. */
  readonly pictures?: readonly PictureSize[] | undefined;
  /** Most requests at the same time; undefined: one. */
  readonly streams?: number | undefined;
}

/** What a record says of an engine that is open. */
export interface EngineFacts {
  readonly version: string;
  /** As the engine names it: `vulkan (NVIDIA H100)`. */
  readonly device: string;
  /** Everything set that may change a figure, as the engine took it. */
  readonly flags: Readonly<Record<string, string | number | boolean | null>>;
}

export interface Conversation {
  /** Token ids of the user's turns. */
  readonly turns: readonly (readonly number[])[];
  /** Tokens of every answer. */
  readonly answerTokens: number;
  /** False: every turn computes the whole history again. */
  readonly reusesPrefix: boolean;
}

/** A turn as the person who asked has it. */
export interface TurnTimes {
  readonly firstMs: number;
  /** Tokens a second after the first ones; undefined where all came together. */
  readonly tokensPerSecond: number | undefined;
}

export interface StructuredRequest {
  readonly ids: readonly number[];
  /** JSON Schema of the answer; undefined: free. */
  readonly schema: object | undefined;
  readonly maxTokens: number;
}

export interface StructuredAnswer {
  readonly text: string;
  readonly tokens: number;
  readonly firstMs: number;
  readonly allMs: number;
  /** Whether it ended before `maxTokens`. */
  readonly hasEnded: boolean;
}

export interface QualityRequest {
  /** A text, or JSON lines of ids or texts. */
  readonly text: string;
  /** The same model in a wider type. */
  readonly reference: string | undefined;
  /** Tokens that are scored, from the beginning. */
  readonly mostTokens: number;
}

export interface Quality {
  readonly perplexity: number;
  /** Mean over tokens, in nats, of the reference's logits to this model's. */
  readonly divergence: number | undefined;
  /** Share of tokens at which both would choose the same next one. */
  readonly agreement: number | undefined;
  readonly scored: ScoredText;
}

/** What was scored: perplexities compare where all of it is the same. */
export interface ScoredText {
  /** The first 12 digits of the file's sha256. */
  readonly text: string;
  readonly scoredTokens: number;
  /** Of the longest sequence: as much as is ever behind a token. */
  readonly windowTokens: number;
}

export interface AnsweredTasks {
  /** Of all that were asked, how many were answered well. */
  readonly share: number;
  readonly asked: number;
  /** The first 12 digits of the file's sha256. */
  readonly file: string;
}

/** Pixels of a picture, as models that see cut them into tiles or take them whole. */
export type PictureSize = '224' | '512' | '1024' | '2048x1536';

export interface SeenPicture {
  readonly firstMs: number;
  readonly tokensPerSecond: number;
}

export interface MemoryUse {
  /** Of this process, the largest so far. */
  readonly peakBytes: number;
  /** Now. */
  readonly residentBytes: number;
}

/**
 * What an engine with a model in it does. Every call is greedy, goes on past end tokens and starts from an empty cache, where nothing else
 * is said. `decode` does its work once without counting right before it measures it, as llama-bench does by itself, `serve` too, and
 * `prefill` as often as `warmed` says: a GPU clocks down while it rests.
 */
export interface EngineMethods {
  /** Tokens per second of reading a prompt. */
  prefill(ids: readonly number[]): Promise<number>;
  /** Milliseconds from the request to the first token. */
  firstToken(ids: readonly number[]): Promise<number>;
  /** Tokens per second of `count` tokens after the first one. */
  decode(ids: readonly number[], count: number): Promise<number>;
  converse(conversation: Conversation): Promise<readonly TurnTimes[]>;
  /** Answers several requests at the same time. */
  serve(requests: readonly StreamRequest[]): Promise<ServedLoad>;
  /** Greedy; the schema, or `maxTokens`, ends it. */
  answerInForm(request: StructuredRequest): Promise<StructuredAnswer>;
  quality(request: QualityRequest): Promise<Quality>;
  /** Answers tasks of a file of `ingot eval`, spread over it. */
  tasks(path: string, limit: number): Promise<AnsweredTasks>;
  /** Milliseconds of the tower alone for all that a picture becomes. */
  tower(size: PictureSize): Promise<number>;
  see(size: PictureSize, answerTokens: number): Promise<SeenPicture>;
  /** Milliseconds to the whole text of a sound file, and the sound's length. */
  hear(path: string): Promise<{ readonly ms: number; readonly seconds: number }>;
  /** Milliseconds to the first sound and to all of it, and its length. */
  speak(text: string): Promise<{ readonly firstMs: number; readonly ms: number; readonly seconds: number }>;
  memory(): Promise<MemoryUse>;
}

/** An engine has the methods that its workloads ask for. */
export interface OpenEngine extends Partial<EngineMethods> {
  readonly facts: EngineFacts;
  close(): Promise<void>;
}

/** What decides whether an engine can take part. */
export type Entry = Pick<EngineSettings, 'modelPath' | 'modelName' | 'program' | 'url' | 'packages'>;

export interface Engine {
  readonly name: string;
  readonly workloads: readonly WorkloadName[];
  /** Batch sizes to be tried where a prompt is read; the better one is quoted. Empty: the engine has no such setting. */
  readonly batchSizes: readonly number[];
  /** Why it cannot take part here; undefined where it can. */
  problem(entry: Entry): string | undefined;
  /** What tells its build here from another without opening it: a version, a program's date. Undefined where only asking it would. */
  build(settings: EngineSettings): string | undefined;
  open(settings: EngineSettings): Promise<OpenEngine>;
}

/** Of this process. */
export async function ownMemory(): Promise<MemoryUse> {
  return { peakBytes: process.resourceUsage().maxRSS * 1024, residentBytes: process.memoryUsage.rss() };
}
