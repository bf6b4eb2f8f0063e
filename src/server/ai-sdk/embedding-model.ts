/** A model of embeddings, as the AI SDK calls it. */
import type { EmbeddingModel } from './api.ts';
import { ask } from './transport.ts';
import type { Transport } from './transport.ts';

/** The server's own limit, where it has no other. */
const MOST_TEXTS = 2048;

interface EmbeddingsJson {
  readonly data: readonly { readonly embedding: number[] }[];
  readonly usage: { readonly prompt_tokens: number };
}

export function embeddingModel(modelId: string, transport: Transport): EmbeddingModel {
  return {
    specificationVersion: 'v4', provider: 'ingot', modelId, maxEmbeddingsPerCall: MOST_TEXTS, supportsParallelCalls: true,
    async doEmbed({ values, dimensions, abortSignal, headers, providerOptions }) {
      const body = { model: modelId, input: values, dimensions, ...providerOptions?.['ingot'] };
      const response = await ask(transport, { path: '/embeddings', body, signal: abortSignal, headers });
      const { data, usage } = (await response.json()) as EmbeddingsJson;
      return { embeddings: data.map(({ embedding }) => embedding), usage: { tokens: usage.prompt_tokens }, warnings: [] };
    },
  };
}
