/** Has the service worker keep the app, so that it opens without a network, and can be installed. */
import { tell } from '../state/notices.ts';

const WORKER = './sw.js';

/** Where addresses of scripts are to be trusted ones, this is the one that is. */
function workerAddress(): string {
  const { trustedTypes } = globalThis as {
    trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } };
  };
  if (trustedTypes === undefined) return WORKER;
  return trustedTypes.createPolicy('ingot', { createScriptURL: (url: string) => (url === WORKER ? url : '') }).createScriptURL(WORKER);
}

export function workOffline(): void {
  // There is none on pages without TLS, but for those of this machine.
  if (!('serviceWorker' in navigator)) return;
  const had = navigator.serviceWorker.controller !== null;
  navigator.serviceWorker.register(workerAddress()).catch(() => {
    // A browser that keeps nothing for pages has no offline app, and all else.
  });
  navigator.serviceWorker.addEventListener('controllerchange', () => {
    if (had) tell('The app has a new version: load the page again to have it.');
  });
}
