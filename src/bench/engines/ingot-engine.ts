/** Ingot itself, as a user of the library has it. */
import type { Chat, Model, Piece, Usage } from '../../engine/api.ts';
import { createModelFromParts } from '../../engine/model.ts';
import { openCheckpoint } from '../../files/open-checkpoint.ts';
import { openDecoder } from '../../models/open-decoder.ts';
import { loadModel, openExecutor } from '../../node/load-model.ts';
import { packageVersion } from '../../node/package-root.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { locate } from '../../node/open-path.ts';
import { ownMemory, warmed } from '../engine.ts';
import type {
  Conversation, Engine, EngineSettings, OpenEngine, StructuredAnswer, StructuredRequest, TurnTimes,
} from '../engine.ts';
import { answeringModel, answerTogether } from '../answer-together.ts';
import { deviceOf, tuningOf } from './ingot-device.ts';
import { factsOf } from './ingot-facts.ts';
import { openPictures, openTower } from './ingot-pictures.ts';
import { answeredTasks, measureQuality } from './ingot-quality.ts';
import { openHearing, openSpeaking } from './ingot-speech.ts';

export const ingotEngine: Engine = {
  name: 'ingot',
  workloads: [
    'prefill', 'decode', 'ttft', 'load', 'turns', 'drift', 'busy', 'concurrency', 'interruption', 'server', 'structured', 'quality',
    'tasks', 'pictures', 'hearing', 'speaking',
  ],
  batchSizes: [],
  problem: () => undefined,
  build: () => packageVersion(),
  async open(settings) {
    if (settings.purpose === 'hearing') return openHearing(settings);
    if (settings.purpose === 'speaking') return openSpeaking(settings);
    if (settings.purpose === 'towers') return openTower(settings);
    if (settings.purpose === 'pictures') return openPictures(settings);
    // Ids of the conversation so far: what its model's "chat template" renders.
    const history: number[] = [];
    const model =
      settings.purpose === 'conversation'
        ? await loadForConversation(settings, history)
        : await loadModel(settings.modelPath, loadOptions(settings));
    return openEngine(model, { history, settings });
  },
};

function loadOptions(settings: EngineSettings) {
  const { device, threads, contextLength, kvType, streams } = settings;
  return {
    device: deviceOf(settings), threads: device === 'cpu' ? threads : undefined, contextLength, kvType, maxConcurrent: streams,
    tuning: tuningOf(settings),
  };
}

/**
 * A model whose chats speak in token ids: the same tokens for every engine and every turn, whatever a tokenizer would make of the
 * text that random weights write.
 */
async function loadForConversation(settings: EngineSettings, history: readonly number[]): Promise<Model> {
  const { device, threads } = loadOptions(settings);
  const executor = await openExecutor({ device, threads });
  const checkpoint = await openCheckpoint(await locate(settings.modelPath));
  try {
    const decoder = await openDecoder(checkpoint);
    const text = { tokenizer: undefined, encodeMessages: () => [...history], endIds: new Set<number>(), samplingDefaults: {} };
    return await createModelFromParts(
      { name: checkpoint.name, sizeBytes: checkpoint.sizeBytes, decoder, text },
      { executor, contextLength: settings.contextLength, kvType: settings.kvType },
    );
  } finally {
    await checkpoint.close();
  }
}

interface Timed {
  readonly firstMs: number;
  /** Tokens of the first piece. */
  readonly firstTokens: number;
  readonly lastMs: number;
  readonly tokens: readonly number[];
  readonly usage: Usage | undefined;
}

/** @param wanted stop after so many pieces */
async function timed(pieces: AsyncIterable<Piece>, wanted = Infinity): Promise<Timed> {
  const startMs = performance.now();
  const tokens: number[] = [];
  let [firstMs, firstTokens, lastMs, count] = [0, 0, 0, 0];
  let usage: Usage | undefined;
  for await (const piece of pieces) {
    tokens.push(...piece.tokens);
    lastMs = performance.now() - startMs;
    if (count++ === 0) [firstMs, firstTokens] = [lastMs, tokens.length];
    if (piece.finishReason !== undefined) usage = piece.usage;
    if (count === wanted) break;
  }
  return { firstMs, firstTokens, lastMs, tokens, usage };
}

const GREEDY = { temperature: 0, ignoreEos: true } as const;
/** Every run of a workload reads the same prompt. */
const ANEW = { ...GREEDY, cachePrompt: false } as const;

async function generate(model: Model, ids: readonly number[], maxTokens: number): Promise<Timed> {
  const result = await timed(model.generate({ ...ANEW, ids, maxTokens }));
  const { usage } = result;
  if (usage?.cachedTokens !== 0) throw new Error(`${usage?.cachedTokens} prompt tokens came from a cache: a prefill would look too fast`);
  if (usage.completionTokens !== maxTokens) throw new Error(`${usage.completionTokens} tokens came instead of ${maxTokens}`);
  return result;
}

interface Opened {
  readonly history: number[];
  readonly settings: EngineSettings;
}

function openEngine(model: Model, { history, settings }: Opened): OpenEngine {
  return {
    facts: factsOf(model),
    async prefill(ids) {
      await model.ready();
      await warmed(() => generate(model, ids.toReversed(), 1));
      return (1000 * ids.length) / (await generate(model, ids, 1)).firstMs;
    },
    firstToken: async (ids) => (await timed(model.generate({ ...ANEW, ids, maxTokens: 16 }), 1)).firstMs,
    async decode(ids, count) {
      await model.ready();
      await generate(model, ids.toReversed(), count + 1);
      const { firstMs, firstTokens, lastMs, tokens } = await generate(model, ids, count + 1);
      return (1000 * (tokens.length - firstTokens)) / (lastMs - firstMs);
    },
    converse: (conversation) => converse(model, history, conversation),
    async serve(requests) {
      await model.ready();
      const answering = answeringModel(model);
      await answerTogether(answering, requests.map(({ ids, ...request }) => ({ ...request, ids: ids.toReversed() })));
      return { streams: await answerTogether(answering, requests), hasMeanGaps: false };
    },
    answerInForm: (request) => answerInForm(model, request),
    quality: (request) => measureQuality(model, request, (path) => loadModel(path, loadOptions(settings))),
    tasks: (path, limit) => answeredTasks(model, path, limit),
    memory: ownMemory,
    close: () => model.dispose(),
  };
}

async function converse(model: Model, history: number[], { turns, answerTokens, reusesPrefix }: Conversation): Promise<TurnTimes[]> {
  await model.ready();
  history.length = 0;
  const times: TurnTimes[] = [];
  let chat: Chat | undefined;
  for (const ids of turns) {
    const cached = Math.max(0, history.length - 1);
    history.push(...ids);
    if (!reusesPrefix) chat?.dispose();
    if (!reusesPrefix || chat === undefined) chat = model.createChat({ cachePrompt: false });
    const { firstMs, firstTokens, lastMs, tokens, usage } = await timed(chat.send('the next turn', { ...GREEDY, maxTokens: answerTokens }));
    const expected = reusesPrefix ? cached : 0;
    if (usage?.cachedTokens !== expected)
      throw new Error(`${usage?.cachedTokens} tokens of a turn came from the cache instead of ${expected}`);
    history.push(...tokens);
    times.push({ firstMs, tokensPerSecond: lastMs > firstMs ? (1000 * (tokens.length - firstTokens)) / (lastMs - firstMs) : undefined });
  }
  chat?.dispose();
  return times;
}

/** Free answers go on past end tokens; one in a form ends where the form does. */
async function answerInForm(model: Model, { ids, schema, maxTokens }: StructuredRequest): Promise<StructuredAnswer> {
  await model.ready();
  const form = schema === undefined ? { ignoreEos: true } : { format: { type: 'schema' as const, schema: schema as JsonObject } };
  const startMs = performance.now();
  const found = { text: '', tokens: 0, firstMs: 0, hasEnded: false };
  for await (const piece of model.generate({ ids, maxTokens, temperature: 0, cachePrompt: false, ...form })) {
    if (found.tokens === 0) found.firstMs = performance.now() - startMs;
    found.text += piece.text;
    found.tokens += piece.tokens.length;
    found.hasEnded = piece.finishReason === 'stop';
  }
  return { ...found, allMs: performance.now() - startMs };
}
