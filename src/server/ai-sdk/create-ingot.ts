/** `ingot/ai-sdk`: models of this process, or of a server, for Vercel's AI SDK. */
import { InputError } from '../../tensor/errors.ts';
import { checkOptionNames, describeValue } from '../../tensor/option-names.ts';
import type { NamesOf } from '../../tensor/option-names.ts';
import type { Platform } from '../../tensor/platform.ts';
import type { ServerOptions } from '../api.ts';
import { createServer } from '../create-server.ts';
import type { EmbeddingModel, LanguageModel } from './api.ts';
import { embeddingModel } from './embedding-model.ts';
import { languageModel } from './language-model.ts';
import type { Transport } from './transport.ts';

export interface IngotOptions {
  /** Models of this process by name, as `createServer` takes them. Exactly one of `models` and `baseURL`. */
  readonly models?: ServerOptions['models'] | undefined;
  /** Of a server: `http://127.0.0.1:8080/v1`. */
  readonly baseURL?: string | undefined;
  /** One of the server's keys. */
  readonly apiKey?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** In place of the platform's, with `baseURL`. */
  readonly fetch?: ((request: Platform<'Request'>) => Promise<Platform<'Response'>>) | undefined;
}

/** A provider: called with a model's name, it is {@link Ingot.languageModel}. */
export interface Ingot {
  (modelId: string): LanguageModel;
  readonly specificationVersion: 'v4';
  languageModel(modelId: string): LanguageModel;
  embeddingModel(modelId: string): EmbeddingModel;
  /** @throws InputError: there are no models of images */
  imageModel(modelId: string): never;
  /** Frees what was loaded here. Idempotent. */
  close(): Promise<void>;
}

const NAMES: NamesOf<IngotOptions> = { models: true, baseURL: true, apiKey: true, headers: true, fetch: true };
/** Names this process, and is asked of nobody. */
const INSIDE = 'http://localhost/v1';

function transportOf({ baseURL, apiKey, headers = {}, fetch }: IngotOptions): Transport {
  if (typeof baseURL !== 'string' || !URL.canParse(baseURL))
    throw new InputError(`baseURL must be the URL of a server, http://127.0.0.1:8080/v1, found ${describeValue(baseURL)}.`);
  const key: Record<string, string> = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const own = fetch as Transport['fetch'] | undefined;
  return { baseURL: baseURL.replace(/\/+$/, ''), headers: { ...key, ...headers }, fetch: own ?? ((request) => globalThis.fetch(request)) };
}

/** @throws InputError for options that cannot be meant */
export function createIngot(options: IngotOptions): Ingot {
  checkOptionNames(options, NAMES, 'createIngot');
  const { models, baseURL, apiKey, fetch } = options;
  if ((models === undefined) === (baseURL === undefined))
    throw new InputError('createIngot needs models of this process, or the baseURL of a server: one of them.');
  if (models !== undefined && (fetch !== undefined || apiKey !== undefined))
    throw new InputError('fetch and apiKey are for a server with a baseURL: models of this process need neither.');
  const server = models === undefined ? undefined : createServer({ models });
  const transport = server === undefined
    ? transportOf(options)
    : { baseURL: INSIDE, headers: options.headers ?? {}, fetch: server.fetch as Transport['fetch'] };
  const ofText = (modelId: string) => languageModel(modelId, transport);
  return Object.assign(ofText, {
    specificationVersion: 'v4' as const,
    languageModel: ofText,
    embeddingModel: (modelId: string) => embeddingModel(modelId, transport),
    imageModel(modelId: string): never {
      throw new InputError(`${describeValue(modelId)} is asked for as a model of images: there are none here.`);
    },
    close: async () => server?.close(),
  });
}
