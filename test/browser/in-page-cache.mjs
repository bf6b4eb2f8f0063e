// Runs in the page, served as it is: what a page does with the cache of models.
import { loadModel, openModelCache } from '../../dist/browser/load.js';

const said = (error) => `${error.name}: ${error.message}`;

/** Loads a model into the cache, asks it, and tells what was told on the way. */
export async function loadKept(source, { abortAfterBytes, ...options }) {
  const controller = new AbortController();
  const [notes, phases] = [[], []];
  globalThis.notesOfLoad = notes;
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

export async function removeWhileLoading(source, options) {
  const cache = await openModelCache();
  let removal;
  const onProgress = ({ phase }) => {
    if (phase === 'load') removal ??= cache.remove(source).catch(said).finally(() => fetch('/open/load'));
  };
  // The worker stands still from the first word of its weights on, until somebody has tried to take them away.
  const program = `const post = globalThis.postMessage.bind(globalThis);
    let isHeld = false;
    globalThis.postMessage = (message) => {
      post(message);
      if (isHeld || !JSON.stringify(message).includes('"phase":"load"')) return;
      isHeld = true;
      const door = new XMLHttpRequest();
      door.open('GET', '${location.origin}/closed/load', false);
      door.send();
    };
    import('${new URL('../../dist/browser/engine-worker.min.js', import.meta.url)}');`;
  const worker = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
  const model = await loadModel(source, { device: 'cpu', contextLength: 128, onProgress, worker, ...options });
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

/** How many pieces of a blob are noted as there, of one that is on its way. */
export async function notedPieces(blob) {
  const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('ingot-models', { create: true });
  try {
    const handle = await (await root.getDirectoryHandle('blobs')).getFileHandle(`${blob}.pieces`);
    return new Uint8Array(await (await handle.getFile()).arrayBuffer()).subarray(16).filter((byte) => byte === 1).length;
  } catch {
    return 0;
  }
}
