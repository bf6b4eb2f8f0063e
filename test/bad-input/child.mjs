// Runs cases that must fail, one after another, in a process of its own: `fork` it, send it `{ device, cases }`.
// It answers with one message as a case begins, one as it ends, and a last one when a sound model has run after all of them.
import { readdirSync, truncateSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const dist = new URL('../../dist/node/', import.meta.url);
const { collect, createModel, createReferenceExecutor, loadModel, loadTokenizer, locate, openCheckpoint } = await import(
  new URL('index.js', dist)
);
const goldenPath = fileURLToPath(new URL('../fixtures/golden/qwen3', import.meta.url));

const peakBytes = () => process.resourceUsage().maxRSS * 1024;
const openFiles = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);

async function withModel(path, options, work) {
  const model = await loadModel(path, options);
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}

const threeTokens = async (model, ids = [1, 2, 3]) =>
  (await collect(model.generate({ ids, temperature: 0, ignoreEos: true, maxTokens: 3 }))).tokens;

/** A call that must fail leaves the model as it was: the same ids give the same tokens before and after it. */
async function callOn(model, call) {
  const before = await threeTokens(model);
  try {
    return await call(model);
  } finally {
    const after = await threeTokens(model);
    if (String(after) !== String(before)) process.exitCode = 3;
  }
}

const actions = {
  load: ({ path, options }) => withModel(path, options, (model) => threeTokens(model)),
  tokenizer: async ({ path, read }) => (await loadTokenizer(path, read)).kind,
  encode: async ({ path, text, encode }) => (await loadTokenizer(path)).encode(text, encode).length,
  decode: async ({ path, ids, decode }) => (await loadTokenizer(path)).decode(ids, decode).length,
  generate: ({ path, options, request }) =>
    withModel(path, options, (model) => callOn(model, async () => (await collect(model.generate(request))).text)),
  forward: ({ path, options, ids, pass }) =>
    withModel(path, options, (model) => callOn(model, async () => (await model.forward(ids, pass)).length)),
  chat: ({ path, options, chat, message, send }) =>
    withModel(path, options, (model) => callOn(model, async () => (await collect(model.createChat(chat).send(message, send))).text)),
  /** The file loses its end after its header was read. */
  async truncateOpen({ path, file, keepBytes }) {
    const checkpoint = await openCheckpoint(await locate(path));
    truncateSync(file, keepBytes);
    await createModel({ checkpoint, executor: createReferenceExecutor() });
  },
  /** The file loses its end while weights are read. */
  async truncateLoading({ path, file, keepBytes, options }) {
    let isCut = false;
    const onProgress = ({ phase }) => {
      if (isCut || phase !== 'load') return;
      isCut = true;
      truncateSync(file, keepBytes);
    };
    return withModel(path, { ...options, onProgress }, (model) => threeTokens(model));
  },
  async convert({ path, out, options }) {
    const { convertFile } = await import(new URL('convert.js', dist));
    return convertFile(path, out, options);
  },
};

const describeError = (error) => ({
  name: error?.name,
  message: error instanceof Error ? error.message : String(error),
  stack: error?.stack,
});

async function runCase({ name, action, args, options }) {
  process.send({ begins: name });
  const [peakBefore, before] = [peakBytes(), process.cpuUsage()];
  const outcome = await actions[action]({ options, ...args }).then(
    (result) => ({ result: String(result) }),
    (error) => ({ error: describeError(error) }),
  );
  const { user, system } = process.cpuUsage(before);
  process.send({ ends: { name, ...outcome, cpuMs: (user + system) / 1000, peakGrowthBytes: peakBytes() - peakBefore } });
}

process.once('message', async ({ device, cases }) => {
  const options = { device, ...(device === 'cpu' ? { threads: 2 } : {}) };
  const soundModel = () => withModel(goldenPath, options, (model) => threeTokens(model));
  // The first model compiles code and grows the heap: what comes after it is what the cases take.
  const before = await soundModel();
  const filesBefore = openFiles();
  for (const each of cases) await runCase({ options, ...each });
  const after = await soundModel();
  process.send({ done: { before, after, filesBefore, filesAfter: openFiles(), peakBytes: peakBytes() } }, () => process.disconnect());
});
