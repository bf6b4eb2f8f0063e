/** The calls of a loaded model: those that predict tokens, and those that compute states of given ones. */
import { decoderGraphOf } from '../graph/model-graphs.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { InputError } from '../tensor/errors.ts';
import { checkOptionNames } from '../tensor/option-names.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { EmbeddingInfo, ForwardOptions, ForwardResult, GenerateOptions, Model } from './api.ts';
import { createChatSession, loadChatSession } from './chat.ts';
import type { ChatHost, SavingHost } from './chat.ts';
import { generateAnswers } from './choices.ts';
import { embedTexts } from './embed.ts';
import { forwardPass } from './forward.ts';
import { generatePieces } from './generate.ts';
import { generateObject } from './generate-object.ts';
import { FORWARD_NAMES } from './option-names.ts';
import { countPrompt, preparedIds, prepareSeen } from './prepare-generation.ts';
import type { PreparingHost } from './prepare-generation.ts';
import { prepareInfill } from './prepare-infill.ts';
import { rerankDocuments } from './rerank.ts';
import { runTools } from './run-tools.ts';

type AnsweringCalls = Pick<
  Model, 'generate' | 'generateObject' | 'runTools' | 'infill' | 'promptIds' | 'countTokens' | 'createChat' | 'loadChat'
>;

/** @throws InputError for a model that makes embeddings only */
function checkDecoder({ decoder, name }: ModelGraphs, call: string): void {
  if (decoder === undefined)
    throw new InputError(`${call} needs a model that predicts tokens; this one (${name}) makes embeddings: use embed.`);
}

/** @param hint told of what `generate` is asked, once that was found good */
export function answeringCalls(
  model: ModelGraphs, host: SavingHost & PreparingHost, hint: (request: GenerateOptions) => void,
): AnsweringCalls {
  return {
    generate(request) {
      const prepare = () => {
        checkDecoder(model, 'generate');
        const job = prepareSeen(host, request);
        hint(request);
        return job;
      };
      return generateAnswers(prepare, request ?? {});
    },
    generateObject: (request) => generateObject((asked) => generatePieces(() => {
      checkDecoder(model, 'generateObject');
      return prepareSeen(host, asked);
    }), request),
    runTools: (request) => runTools(() => {
      checkDecoder(model, 'runTools');
      return host;
    }, request),
    infill(request) {
      return generatePieces(() => {
        checkDecoder(model, 'infill');
        return prepareInfill(host.core, host.text, request);
      });
    },
    promptIds(request) {
      checkDecoder(model, 'promptIds');
      return preparedIds(host, request);
    },
    countTokens(request) {
      checkDecoder(model, 'countTokens');
      return countPrompt(host, request);
    },
    createChat(chat = {}) {
      checkDecoder(model, 'createChat');
      return createChatSession(host, chat);
    },
    async loadChat(from) {
      checkDecoder(model, 'loadChat');
      return loadChatSession(host, from);
    },
  };
}

/** @param embedding undefined for a model whose files do not say how states are pooled */
export function stateCalls(
  model: ModelGraphs, { core, text }: ChatHost, embedding: EmbeddingInfo | undefined,
): Pick<Model, 'forward' | 'rerank' | 'embed'> {
  function forward(ids: ArrayLike<number>, pass: ForwardOptions & { readonly hidden: readonly number[] }): Promise<ForwardResult>;
  function forward(ids: ArrayLike<number>, pass?: ForwardOptions & { readonly hidden?: undefined }): Promise<Float32Array>;
  async function forward(ids: ArrayLike<number>, pass: ForwardOptions = {}): Promise<ForwardResult | Float32Array> {
    checkDecoder(model, 'forward');
    checkOptionNames(pass, FORWARD_NAMES, 'forward');
    checkOperation(pass);
    const result = await forwardPass(core, decoderGraphOf(model), ids, pass);
    return pass.hidden === undefined ? result.logits : result;
  }
  return {
    forward,
    async rerank(query, documents, ranking = {}) {
      checkDecoder(model, 'rerank');
      return rerankDocuments({ core, text }, query, documents, ranking);
    },
    async embed(texts, options = {}) {
      const { encoder } = model;
      if (encoder === undefined || embedding === undefined)
        throw new InputError(
          `embed needs a model of embeddings; the files of this one (${model.name}) do not say how its states are pooled.`,
        );
      return embedTexts({ core, encoder, width: embedding.dimensions, text }, texts, options);
    },
  };
}
