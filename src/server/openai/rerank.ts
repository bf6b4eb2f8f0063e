/** `/v1/rerank`, in the form that Jina and Cohere share. */
import { countPrompt } from '../answer-counter.ts';
import type { Call } from '../call.ts';
import { findModel } from '../find-model.ts';
import { MODEL_PARAMETER } from '../model-parameter.ts';
import type { ParameterTable } from '../parameter-table.ts';
import type { Schema } from '../schema.ts';
import { typed } from './decoding-parameters.ts';
import { checkTexts } from './embeddings.ts';

const DOCUMENT: Schema = {
  anyOf: [
    { type: 'string', minLength: 1 },
    { type: 'object', properties: { text: { type: 'string', minLength: 1 } }, required: ['text'], additionalProperties: false },
  ],
};

interface RerankParameters {
  readonly model: string;
  readonly query: string;
  readonly documents: readonly (string | { readonly text: string })[];
  readonly top_n?: number;
  readonly return_documents?: boolean;
  readonly instruction?: string;
}

export const RERANK_PARAMETERS: ParameterTable = {
  model: MODEL_PARAMETER,
  query: { schema: { type: 'string', minLength: 1 }, isRequired: true, about: 'What the documents are to answer.' },
  documents: { schema: { type: 'array', items: DOCUMENT, minItems: 1 }, isRequired: true, about: 'Texts, or objects with a text.' },
  top_n: { schema: { type: 'integer', minimum: 1 }, about: 'How many of the best are given. Default: all.' },
  return_documents: { schema: { type: 'boolean' }, about: 'Each document beside its score. Default false.' },
  instruction: { schema: { type: 'string' }, about: "Beyond Jina's form: what is asked of a document. Default: that of web search." },
  max_tokens_per_doc: { refused: 'documents are read whole; shorten them.' },
  max_chunks_per_doc: { refused: 'documents are read whole; cut them into several.' },
};

export async function rerank(call: Call): Promise<Response> {
  const { model: id, query, documents, top_n: most, return_documents: wantsText, instruction } = typed<RerankParameters>(call.parameters);
  const model = await findModel(call, id);
  checkTexts(call, documents.length, 'documents');
  const texts = documents.map((document) => (typeof document === 'string' ? document : document.text));
  let tokens = 0;
  const onProgress = ({ total }: { readonly total?: number | undefined }) => void (tokens = total ?? 0);
  const scores = await model.rerank(query, texts, { instruction, signal: call.signal, onProgress });
  countPrompt(call, { promptTokens: tokens, cachedTokens: 0 });
  const ranked = [...scores.keys()].sort((a, b) => (scores[b] as number) - (scores[a] as number));
  return Response.json({
    id: call.id,
    model: id,
    results: ranked.slice(0, most).map((index) => ({
      index, relevance_score: scores[index], ...(wantsText === true ? { document: { text: texts[index] } } : {}),
    })),
    usage: { total_tokens: tokens },
  });
}
