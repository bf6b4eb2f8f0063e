/** Models in the page itself, by `ingot/browser`: one at a time, its engine in a worker. */
import type { AnswerPart } from 'ingot/browser';
import { loadModel, openModelCache } from 'ingot/browser/load';
import type { BrowserModel, ModelSource } from 'ingot/browser/load';
import rasterDecoder from '@cf-wasm/photon/photon.wasm?url';
import webpDecoder from '@cwasm/webp/webp.wasm?url';
import { isGone } from './is-gone.ts';
import { idInCache, listBrowserModels } from './list-browser-models.ts';
import type { KnownModel } from './known-models.ts';
import { createOneModel } from './one-model.ts';
import { requestMessages } from './request-messages.ts';
import type { AnswerPiece, AnswerRequest, Finish, LoadOptions, Sampling, Storage, Transport } from './transport.ts';

const PHASES: Readonly<Record<string, string>> = {
  download: 'Downloading',
  load: 'Loading',
  compile: 'Preparing the GPU',
  warmup: 'Warming up',
};
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

async function storage(): Promise<Storage> {
  const { quota, usage = 0 } = await navigator.storage.estimate();
  return { usedBytes: usage, quotaBytes: quota };
}

export function createBrowserTransport(): Transport {
  const place = createOneModel<BrowserModel>();
  /** Files that were opened here, as long as the page is open. */
  const opened = new Map<string, { readonly known: KnownModel; readonly source: ModelSource }>();

  async function* answer(request: AnswerRequest): AsyncGenerator<AnswerPiece> {
    const model = place.held?.model;
    try {
      yield* place.use(request.model, (one) => answerOf(one, request));
    } catch (error) {
      if (isGone(error) && model !== undefined) await place.free(model);
      throw error;
    }
  }

  return {
    kind: 'browser',
    place: 'in this browser',
    answer,
    storage,
    listModels: () => listBrowserModels({ held: place.held, opened: [...opened.values()].map((one) => one.known) }),
    load: (id, { signal, onProgress }: LoadOptions) =>
      place.put({
        signal,
        onWait: () => onProgress({ phase: 'Waiting for an answer to end', share: undefined }),
        open: () =>
          loadModel(opened.get(id)?.source ?? id, {
            signal,
            imageDecoders: { raster: rasterDecoder, webp: webpDecoder },
            onProgress: ({ phase, loaded, total }) =>
              onProgress({ phase: PHASES[phase] ?? 'Loading', share: total > 0 ? loaded / total : undefined }),
          }),
        idOf: async () => (opened.has(id) ? id : idInCache(id)),
      }),
    unload: () => place.free(),
    async addFiles(files) {
      const name = files.length === 1 ? files[0]!.name : `${files[0]?.name ?? ''} and ${files.length - 1} more`;
      const bytes = files.reduce((sum, { size }) => sum + size, 0);
      opened.set(name, { known: { id: name, name, bytes }, source: files });
      return name;
    },
    async remove(id) {
      if (place.held?.id === id) await place.free();
      if (!opened.delete(id)) await (await openModelCache()).remove(id);
    },
  };
}
