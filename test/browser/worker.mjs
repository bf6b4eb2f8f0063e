import * as functions from './in-browser.mjs';

self.onmessage = async ({ data: { name, args } }) => {
  try {
    self.postMessage({ value: await functions[name](...args) });
  } catch (error) {
    self.postMessage({ error: String(error?.stack ?? error) });
  }
};
