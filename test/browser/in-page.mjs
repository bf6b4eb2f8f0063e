// Runs in the page, served as it is: what a page does with `loadModel`.
import { loadModel, openModelCache } from '../../dist/browser/load.js';

/** Durations of tasks of this page's own thread that block it. */
function watchLongTasks() {
  const found = [];
  const observer = new PerformanceObserver((list) => found.push(...list.getEntries().map(({ duration }) => Math.round(duration))));
  observer.observe({ entryTypes: ['longtask'] });
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    observer.disconnect();
    return found;
  };
}

async function tokensOf(model, request) {
  const tokens = [];
  for await (const piece of model.generate(request)) tokens.push(...piece.tokens);
  return tokens;
}

export async function answer({ source, options, request }) {
  const longTasks = watchLongTasks();
  const model = await loadModel(source, options);
  const tokens = await tokensOf(model, request);
  const { runsOn } = model;
  await model.dispose();
  return { tokens, runsOn, longTasks: await longTasks() };
}

/** Of the same model as a Blob, a dropped file, and a file and a folder of the private file system. */
export async function answerOfSources({ url, request }) {
  const blob = await (await fetch(url)).blob();
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('mine', { create: true });
  const handle = await folder.getFileHandle('a.gguf', { create: true });
  const writable = await handle.createWritable();
  await writable.write(blob);
  await writable.close();
  const answers = [];
  for (const source of [blob, [new File([blob], 'model.gguf')], handle, folder]) {
    const model = await loadModel(source, { device: 'cpu', contextLength: 128 });
    answers.push(await tokensOf(model, request));
    await model.dispose();
  }
  return answers;
}

export function failures(tasks) {
  return Promise.all(
    tasks.map(([source, options]) =>
      loadModel(source, options).then(
        (model) => model.dispose().then(() => 'no failure'),
        (error) => `${error.constructor.name}: ${error.message}`,
      ),
    ),
  );
}

export async function conversation(source) {
  const model = await loadModel(source, { device: 'cpu', contextLength: 512 });
  const settings = { temperature: 0, maxTokens: 4 };
  const read = async (pieces) => {
    for await (const _ of pieces);
  };
  const chat = await model.createChat({ system: 'Be short.' });
  await read(chat.send('Hello.', settings));
  const roles = chat.history.map(({ role }) => role);
  const fork = await chat.fork();
  chat.history = [];
  await read(chat.send('Who are you?', settings));
  const reason = new Error('of this page');
  const controller = new AbortController();
  const thrown = await (async () => {
    for await (const _ of model.generate({ prompt: 'a', maxTokens: 200, ignoreEos: true, signal: controller.signal }))
      controller.abort(reason);
  })().catch((error) => error);
  const counted = (await model.countTokens({ messages: [{ role: 'user', content: 'Hello.' }] })).tokens;
  const [forked, edited] = [fork.history.length, chat.history.map(({ role }) => role)];
  await model.dispose();
  await model.dispose();
  const over = await model.countTokens({ prompt: 'a' }).catch((error) => `${error.name}: ${error.message}`);
  return { chat: roles, forked, edited, sameReason: thrown === reason, counted, over };
}

/** Loads a model into the cache, asks it, and tells what was told on the way. */
export async function loadKept(source, { abortAfterBytes, ...options }) {
  const controller = new AbortController();
  const [notes, phases] = [[], []];
  const onProgress = ({ phase, loaded, note }) => {
    if (note !== undefined) notes.push(note);
    if (phases.at(-1) !== phase) phases.push(phase);
    if (loaded > abortAfterBytes) controller.abort(new Error('enough'));
  };
  try {
    const model = await loadModel(source, { device: 'cpu', contextLength: 128, signal: controller.signal, onProgress, ...options });
    let text = '';
    for await (const piece of model.generate({
      messages: [{ role: 'user', content: 'Where does a hen live?' }],
      temperature: 0,
      maxTokens: 12,
    }))
      text += piece.text;
    await model.dispose();
    return { text, notes, phases };
  } catch (error) {
    return { error: `${error.name}: ${error.message}`, notes, phases };
  }
}

const said = (error) => `${error.name}: ${error.message}`;

export async function removeWhileLoading(source, options) {
  const cache = await openModelCache();
  let removal;
  // The weights are on their way when the first progress of the load comes.
  const onProgress = ({ phase }) => {
    if (phase === 'load') removal ??= cache.remove(source).catch(said);
  };
  const model = await loadModel(source, { device: 'cpu', contextLength: 128, onProgress, ...options });
  await model.dispose();
  return removal;
}

export async function cacheList() {
  const list = await (await openModelCache()).list();
  return list.map(({ id, sizeBytes, presentBytes, isWhole }) => ({ id, sizeBytes, presentBytes, isWhole }));
}

export async function cacheUsage() {
  return (await openModelCache()).usage();
}

export async function cacheRemove(id) {
  return (await openModelCache()).remove(id).catch(said);
}

export async function cacheEvict(options) {
  return (await openModelCache()).evict(options);
}

/** Names and SHA-256 of what lies in the cache. */
export async function blobHashes() {
  const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('ingot-models', { create: true });
  const found = [];
  for await (const [name, handle] of (await root.getDirectoryHandle('blobs', { create: true })).entries()) {
    const digest = await crypto.subtle.digest('SHA-256', await (await handle.getFile()).arrayBuffer());
    found.push([name, [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')]);
  }
  return found.toSorted();
}

const HEN = { messages: [{ role: 'user', content: 'Where does a hen live?' }], temperature: 0, maxTokens: 12 };
let kept;

export async function keepModel(source, options) {
  kept = await loadModel(source, { cache: 'none', ...options });
}

async function textOf(model, request) {
  let text = '';
  for await (const piece of model.generate(request)) text += piece.text;
  return text;
}

export function askKept() {
  return textOf(kept, HEN).catch(said);
}

/** 400 tokens, or as many as the model has room for; told by their number. */
export async function askKeptForLong() {
  const maxTokens = Math.min(400, kept.info.contextLength - 20);
  try {
    return `${(await tokensOf(kept, { prompt: 'Once', temperature: 0, ignoreEos: true, maxTokens })).length} tokens`;
  } catch (error) {
    return said(error);
  }
}

export async function disposeKept() {
  await kept.dispose();
}

/** A worker whose program fails while it answers, as one that runs out of memory may. */
export async function failInWorker(source) {
  // It fails once an answer has begun.
  const program = `const post = globalThis.postMessage.bind(globalThis);
    globalThis.postMessage = (message) => {
      post(message);
      if (message.type === 'piece') setTimeout(() => { throw new Error('no more'); });
    };
    import('${new URL('../../dist/browser/engine-worker.min.js', import.meta.url)}');`;
  const worker = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
  const model = await loadModel(source, { device: 'cpu', contextLength: 2048, cache: 'none', worker });
  const ended = [];
  for (let i = 0; i < 2; i++)
    ended.push(
      await tokensOf(model, { prompt: 'Once', temperature: 0, ignoreEos: true, maxTokens: 2000 }).then(
        (tokens) => `${tokens.length}`,
        said,
      ),
    );
  await model.dispose();
  const again = await loadModel(source, { device: 'cpu', contextLength: 128, cache: 'none' });
  const text = await textOf(again, HEN);
  await again.dispose();
  return [...ended, text];
}
