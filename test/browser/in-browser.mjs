// Runs in the browser, served as it is: in the page, and in a worker made from worker.mjs.

/** Which modules cannot be loaded, and why. */
export async function importAll(paths) {
  const results = await Promise.allSettled(paths.map((path) => import(path)));
  return results.flatMap((result, index) => (result.status === 'rejected' ? [`${paths[index]}: ${result.reason}`] : []));
}

/** Calls a function of this module in a worker. */
export function inWorker(name, ...args) {
  const worker = new Worker('/test/browser/worker.mjs', { type: 'module' });
  const answer = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => ('error' in data ? reject(new Error(data.error)) : resolve(data.value));
    worker.onerror = (event) => reject(new Error(event.message ?? 'the worker could not be loaded'));
    worker.postMessage({ name, args });
  });
  return answer.finally(() => worker.terminate());
}

export function isIsolated() {
  return globalThis.crossOriginIsolated;
}
