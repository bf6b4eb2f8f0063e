/** Ingot for a page: the core, and `loadModel`, which computes in a worker. */
export * from '../core.ts';
export { fetchImageDecoder } from './fetch-image-decoder.ts';
export type { ImageDecoderUrls } from './fetch-image-decoder.ts';
export { fetchKernelModules } from './fetch-kernel-modules.ts';
export type { KernelModuleUrls } from './fetch-kernel-modules.ts';
export { createThreadHost } from './thread-host.ts';
export type { ThreadHostOptions } from './thread-host.ts';
export * from './load.ts';
