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
    // A module that is a worker's program itself says that it is ready, which is no answer.
    worker.onmessage = ({ data }) => {
      if ('error' in data) reject(new Error(data.error));
      if ('value' in data) resolve(data.value);
    };
    worker.onerror = (event) => reject(new Error(event.message ?? 'the worker could not be loaded'));
    worker.postMessage({ name, args });
  });
  return answer.finally(() => worker.terminate());
}

export function isIsolated() {
  return globalThis.crossOriginIsolated;
}

/** Loads a model folder over HTTP ranges and continues `ids` greedily on the named executor. */
export async function generateGreedily({ folder, device, ids, maxTokens }) {
  const [{ httpFolder }, { openCheckpoint }, { createModel }] = await Promise.all([
    import('/dist/files/http-source.js'), import('/dist/files/open-checkpoint.js'), import('/dist/engine/model.js'),
  ]);
  const checkpoint = await openCheckpoint({ folder: httpFolder(new URL(folder, globalThis.location.origin)) });
  const executor = await EXECUTORS[device]();
  const model = await createModel({ checkpoint, executor });
  const tokens = [];
  for await (const piece of model.generate({ ids, maxTokens, temperature: 0, ignoreEos: true })) tokens.push(...piece.tokens);
  const { deviceDescription } = model.info;
  await model.dispose();
  return { tokens, deviceDescription };
}

const EXECUTORS = { reference: referenceExecutor, cpu: cpuExecutor, gpu: gpuExecutor };

async function referenceExecutor() {
  const { createReferenceExecutor } = await import('/dist/reference/reference-executor.js');
  return createReferenceExecutor();
}

async function cpuExecutor() {
  const { createCpuExecutor, createThreadHost, fetchKernelModules } = await import('/dist/browser/index.js');
  return createCpuExecutor({ threads: 2, modules: await fetchKernelModules(), threadHost: createThreadHost() });
}

/** From the package's own entry, as a page would take it. */
async function gpuExecutor() {
  const { adapterFacts, adapterName, createGpuExecutor, openGpuDevice, profileFor } = await import('/dist/core.js');
  const request = () => navigator.gpu.requestAdapter();
  const facts = adapterFacts(await request());
  const open = async () => openGpuDevice(await request());
  return createGpuExecutor({ open, name: adapterName(facts), kind: facts.isSoftware ? 'software' : 'gpu', profile: profileFor(facts) });
}
