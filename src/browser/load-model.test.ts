import { expect, test } from 'vitest';
import { loadModel } from './load-model.ts';
import type { BrowserLoadOptions } from './load-model.ts';

test.each([
  [{ hub: { tokn: 'hf_x' } }, 'hub of loadModel has no option "tokn". Did you mean token?'],
  [{ kernels: { plane: '/x.wasm' } }, 'kernels of loadModel has no option "plane". It takes plain, relaxed.'],
  [{ imageDecoders: { raster: '/x.wasm', web: '/y.wasm' } }, 'imageDecoders of loadModel has no option "web". Did you mean webp?'],
  [{ hub: null }, 'hub of loadModel takes an object of options, found null.'],
])('%j is refused before anything starts', async (options, message) => {
  await expect(loadModel('o/m', options as unknown as BrowserLoadOptions)).rejects.toThrow(message);
});
