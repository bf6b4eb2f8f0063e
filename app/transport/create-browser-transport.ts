/** Models in the page itself, by `ingot/browser`: one at a time, its engine in a worker. */
import type { AnswerPart } from 'ingot/browser';
import { loadModel } from 'ingot/browser/load';
import type { BrowserModel, ModelSource } from 'ingot/browser/load';
import { knownModels } from './known-models.ts';
import type { KnownModel } from './known-models.ts';
import { requestMessages } from './request-messages.ts';
import type { AnswerPiece, AnswerRequest, Finish, LoadOptions, ModelEntry, Sampling, Storage, Transport } from './transport.ts';

const PHASES: Readonly<Record<string, string>> = {
  download: 'Downloading',
  load: 'Loading',
  compile: 'Preparing the GPU',
  warmup: 'Warming up',
};
/** The part of a device's memory that a page's model may reasonably take. */
const MEMORY_SHARE = 0.5;

interface Held {
  readonly id: string;
  readonly model: BrowserModel;
}

function samplingOf({ thinks, ...sampling }: Sampling): object {
  const { stop } = sampling;
  return { ...sampling, stop: stop?.length === 0 ? undefined : stop, ...(thinks === false ? { reasoning: false } : {}) };
}

function pieceOf(parts: readonly AnswerPart[]): AnswerPiece {
  const joined = (kind: 'text' | 'reasoning') => parts.map((part) => (part.kind === kind ? part.text : '')).join('');
  const toolCalls = parts.flatMap((part) => {
    if (part.kind !== 'toolCall' || part.phase === 'end') return [];
    const { index, id } = part;
    return [part.phase === 'start' ? { index, id, name: part.name } : { index, id, arguments: part.text }];
  });
  return { text: joined('text'), reasoning: joined('reasoning'), toolCalls };
}

async function* answerOf(model: BrowserModel, { messages, sampling, tools, signal }: AnswerRequest): AsyncGenerator<AnswerPiece> {
  const generation = model.generate({
    messages: (await requestMessages(messages)) as { role: string }[],
    ...samplingOf(sampling),
    ...(tools.length === 0 ? {} : { tools: tools as never }),
    signal,
  });
  for await (const piece of generation) {
    yield pieceOf(piece.parts);
    if (piece.finishReason === undefined) continue;
    const finish: Finish = piece.finishReason === 'context' ? 'length' : piece.finishReason;
    yield { finish, usage: piece.usage };
  }
}

/** Whether a failure leaves nothing to go on with: the device or the worker is gone. A context that is too short does not. */
function isEnd(error: unknown): boolean {
  const { name, shortage } = (error ?? {}) as { readonly name?: string; readonly shortage?: unknown };
  return name === 'CapacityError' && shortage === undefined;
}

async function spaceLeft(): Promise<number> {
  const { quota = Infinity, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  const { deviceMemory = Infinity } = navigator as { readonly deviceMemory?: number };
  return Math.min(quota - usage, deviceMemory * 2 ** 30 * MEMORY_SHARE);
}

async function storage(): Promise<Storage> {
  const { quota, usage = 0 } = await navigator.storage.estimate();
  return { usedBytes: usage, quotaBytes: quota };
}

export function createBrowserTransport(): Transport {
  let held: Held | undefined;
  /** Files that were opened here, and models that were named by hand, as long as the page is open. */
  const added = new Map<string, { readonly known: KnownModel; readonly source: ModelSource }>();

  const free = async () => {
    const { model } = held ?? {};
    held = undefined;
    await model?.dispose();
  };
  const entryOf = ({ id, name, bytes }: KnownModel, space: number): ModelEntry => {
    const model = held?.id === id ? held.model : undefined;
    const isHere = added.has(id);
    return {
      id,
      name,
      kind: 'text',
      bytes,
      status: model !== undefined ? 'loaded' : isHere ? 'unloaded' : 'absent',
      fits: model !== undefined || bytes === undefined ? undefined : bytes <= space,
      contextLength: model?.info.contextLength,
      takes: model === undefined ? undefined : model.vision === undefined ? [] : ['image'],
      where: model?.runsOn.description,
    };
  };

  async function* answer(request: AnswerRequest): AsyncGenerator<AnswerPiece> {
    if (held?.id !== request.model) throw new Error('The model is not loaded. Load it first.');
    try {
      yield* answerOf(held.model, request);
    } catch (error) {
      if (isEnd(error)) await free();
      throw error;
    }
  }

  return {
    kind: 'browser',
    place: 'in this browser',
    answer,
    storage,
    async listModels() {
      const known = await knownModels();
      const space = await spaceLeft();
      return [...[...added.values()].map((one) => one.known), ...known.filter(({ id }) => !added.has(id))].map((one) =>
        entryOf(one, space),
      );
    },
    async load(id, { signal, onProgress }: LoadOptions) {
      await free();
      const model = await loadModel(added.get(id)?.source ?? id, {
        signal,
        onProgress: ({ phase, loaded, total }) =>
          onProgress({ phase: PHASES[phase] ?? 'Loading', share: total > 0 ? loaded / total : undefined }),
      });
      held = { id, model };
      const isKnown = (await knownModels()).some((one) => one.id === id);
      if (!isKnown && !added.has(id)) added.set(id, { known: { id, name: id, bytes: undefined }, source: id });
    },
    async unload() {
      await free();
    },
    async addFiles(files) {
      const name = files.length === 1 ? files[0]!.name : `${files[0]?.name ?? ''} and ${files.length - 1} more`;
      const bytes = files.reduce((sum, { size }) => sum + size, 0);
      added.set(name, { known: { id: name, name, bytes }, source: files });
      return name;
    },
  };
}
