/** What a page needs to have models in a worker, and nothing of the engine itself: few and small modules, for pages without a bundler. */
export { CapacityError, FormatError, InputError } from '../tensor/errors.ts';
export { openModelCache } from './cache/model-cache.ts';
export type { CachedModel, CacheUsage, EvictOptions, ModelCache } from './cache/model-cache.ts';
export { loadModel } from './load-model.ts';
export type { BrowserLoadOptions } from './load-model.ts';
export type { BrowserChat, BrowserModel, BrowserTokenizer } from './model-shape.ts';
export type { BrowserDevice } from './open-executor.ts';
export type { CacheChoice, HubOptions, ModelSource, ProjectorSource } from './open-source.ts';
export type { RunsOn } from './runs-on.ts';
