import { generateGreedily, importAll, isIsolated } from './in-browser.mjs';

const functions = { generateGreedily, importAll, isIsolated };

self.onmessage = async ({ data: { name, args } }) => {
  try {
    self.postMessage({ value: await functions[name](...args) });
  } catch (error) {
    self.postMessage({ error: String(error?.stack ?? error) });
  }
};
