/** Ingot for a page or a worker: the core, and what the CPU needs there. The GPU needs only the core and `navigator.gpu`. */
export * from '../core.ts';
export { fetchImageDecoder } from './fetch-image-decoder.ts';
export type { ImageDecoderUrls } from './fetch-image-decoder.ts';
export { fetchKernelModules } from './fetch-kernel-modules.ts';
export type { KernelModuleUrls } from './fetch-kernel-modules.ts';
export { createThreadHost } from './thread-host.ts';
