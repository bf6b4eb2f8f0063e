/** `ingot/ai-sdk`: a provider for Vercel's AI SDK. */
export { createIngot } from './create-ingot.ts';
export type { Ingot, IngotOptions } from './create-ingot.ts';
export type * from './api.ts';
