/** Models in the page itself, by `ingot/browser`: one at a time, its engine in a worker. */
import type { AnswerPart } from 'ingot/browser';
import { openModelCache } from 'ingot/browser/load';
import type { BrowserModel } from 'ingot/browser/load';
import { answered } from './answered.ts';
import { espeakUrls } from './browser-speech.ts';
import { listBrowserModels } from './list-browser-models.ts';
import { createPageModels } from './page-models.ts';
import { forget } from './remembered-models.ts';
import { requestMessages } from './request-messages.ts';
import type { AnswerPiece, AnswerRequest, Finish, Sampling, Storage, Transport } from './transport.ts';

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

const NO_VOICE =
  'Nothing here reads aloud: that takes espeak-ng, whose licence is not the app\'s. Who runs this page may put it beside it (docs/app.md).';

export function createBrowserTransport(): Transport {
  const models = createPageModels();
  const { text, speech, opened, load, free } = models;
  return {
    kind: 'browser',
    place: 'in this browser',
    nameable: 'owner/name of Hugging Face, or an address',
    answer(request) {
      const again = (id: string) => load(id, { signal: request.signal, onProgress: () => {} });
      return answered({ place: text, id: request.model, again }, (model) => answerOf(model, request));
    },
    storage,
    async listModels() {
      const files = [...opened.values()].map(({ name, bytes, kind = 'text' }) => ({ id: name, name, bytes, kind }));
      const list = await listBrowserModels({ held: models.held, opened: files });
      return { models: list, noDownloads: undefined, lacks: espeakUrls() === undefined ? NO_VOICE : undefined };
    },
    load,
    unload: free,
    transcribe: speech.transcribe,
    speak: speech.speak,
    async addFiles(files) {
      const name = files.length === 1 ? files[0]!.name : `${files[0]?.name ?? ''} and ${files.length - 1} more`;
      opened.set(name, { name, bytes: files.reduce((sum, { size }) => sum + size, 0), source: files });
      return name;
    },
    async remove(id) {
      await free(id);
      if (opened.delete(id)) return;
      await (await openModelCache()).remove(id);
      forget(id);
    },
  };
}
