// Runs in the page, served as it is: what a page does with `loadModel`.
import { loadModel } from '../../dist/browser/load.js';

export * from './in-page-cache.mjs';

/** For the trace that long-tasks.ts reads: where work begins that may not keep this page's own thread busy. @returns marks its end */
export function markWork() {
  performance.mark('watched');
  return () => performance.mark('watched');
}

async function tokensOf(model, request) {
  const tokens = [];
  for await (const piece of model.generate(request)) tokens.push(...piece.tokens);
  return tokens;
}

export async function answer({ source, options, request }) {
  const end = markWork();
  const model = await loadModel(source, options);
  const tokens = await tokensOf(model, request);
  const { runsOn } = model;
  await model.dispose();
  end();
  return { tokens, runsOn };
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

/** @param tasks a source and options each */
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

/** Tools that run on the page, and values of a schema of a library of the page's. */
export async function toolsAndObjects(source) {
  const model = await loadModel(source, { device: 'cpu', contextLength: 1024, cache: 'none' });
  const calls = [];
  const tools = [
    {
      name: 'find_train',
      description: 'Find the train.',
      parameters: { type: 'object', properties: { destination: { type: 'string' } }, required: ['destination'] },
      run(args, { round, signal }) {
        calls.push([args, round, signal.aborted, globalThis.document !== undefined]);
        if (calls.length === 1) return { departure: '21:30', platform: 12 };
        throw new RangeError('no such train');
      },
    },
  ];
  const asked = { tools, temperature: 0, reasoning: false, maxRounds: 3 };
  const run = async (request) => {
    const events = [];
    for await (const event of model.runTools(request)) if (event.type !== 'piece') events.push(event);
    const results = events.flatMap((event) => (event.type === 'result' ? [event.result] : []));
    return { kinds: events.map(({ type }) => type), content: events.at(-1).content, results };
  };
  const messages = [{ role: 'user', content: 'Is there a train to Cork?' }];
  const first = await run({ ...asked, messages });
  const second = await run({ ...asked, messages });
  const reason = new Error('of this page');
  const controller = new AbortController();
  const slow = [{ ...tools[0], run: () => (controller.abort(reason), new Promise(() => {})) }];
  const thrown = await run({ ...asked, messages, tools: slow, signal: controller.signal }).catch((error) => error);
  const fields = { animal: { enum: ['fox', 'hen', 'owl'] }, age: { type: 'integer', minimum: 0, maximum: 30 } };
  const json = { type: 'object', properties: fields, required: ['animal', 'age'] };
  const validate = (value) => ({ value: { ...value, isOnPage: globalThis.document !== undefined } });
  const schema = { '~standard': { version: 1, vendor: 'page', validate, jsonSchema: { input: () => json } } };
  const who = [{ role: 'user', content: 'Ash is a fox of five years. Who is it?' }];
  const { value, answer: made } = await model.generateObject({ messages: who, schema, temperature: 0 });
  const plain = (await model.generateObject({ messages: who, schema: json, temperature: 0 })).value;
  await model.dispose();
  const errors = second.results.map(({ error, content }) => [error instanceof RangeError, content]);
  return { calls, first, errors, sameReason: thrown === reason, value, plain, tokens: made.usage.completionTokens };
}

const said = (error) => `${error.name}: ${error.message}`;
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

/** As many tokens as the model has room for, told by their number; meanwhile the page has it as `heardTokens`. */
export async function askKeptForLong() {
  const maxTokens = kept.info.contextLength - 20;
  globalThis.heardTokens = 0;
  for await (const { tokens } of kept.generate({ prompt: 'Once', temperature: 0, ignoreEos: true, maxTokens }))
    globalThis.heardTokens += tokens.length;
  return `${globalThis.heardTokens} tokens`;
}

/** As long as it answers: no answer is so long that it lasts until something happens to the model. */
export async function askKeptUntilItFails() {
  try {
    for (;;) await askKeptForLong();
  } catch (error) {
    return said(error);
  }
}

export async function disposeKept() {
  await kept.dispose();
}

/** Answers on a GPU that has no more than the least that WebGPU promises: neither subgroups nor f16, 8 buffers, bindings of 128 MiB. */
export async function answerWithLeast({ source, options, request }) {
  const least = {
    maxBufferSize: 2 ** 28,
    maxStorageBufferBindingSize: 2 ** 27,
    maxStorageBuffersPerShaderStage: 8,
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupSizeX: 256,
    maxComputeWorkgroupStorageSize: 16_384,
  };
  // The device is asked for what the adapter tells, so that the browser holds every call to it.
  const program = `Object.defineProperty(GPUAdapter.prototype, 'limits', { get: () => (${JSON.stringify(least)}) });
    Object.defineProperty(GPUAdapter.prototype, 'features', { get: () => new Set() });
    const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (descriptor) {
      const device = await request.call(this, descriptor);
      const { maxStorageBufferBindingSize: bytes, maxStorageBuffersPerShaderStage: buffers } = device.limits;
      const post = globalThis.postMessage.bind(globalThis);
      globalThis.postMessage = (message) => {
        const told = [String(bytes), String(buffers), [...device.features].join()];
        if (message.type === 'opened') message.opened.facts.runsOn.value.reasons = told;
        post(message);
      };
      return device;
    };
    import('${new URL('../../dist/browser/engine-worker.min.js', import.meta.url)}');`;
  const worker = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
  const model = await loadModel(source, { ...options, worker });
  const { device } = model.runsOn;
  const [bindingBytes, buffers, features] = model.runsOn.reasons;
  const tokens = await tokensOf(model, request);
  await model.dispose();
  return { tokens, device, bindingBytes, buffers, features };
}

/** A worker whose program ends while it answers: it fails, as one that runs out of memory may, or is gone without a word. */
export async function endInWorker(source, how) {
  // Once an answer has begun.
  const program = `const post = globalThis.postMessage.bind(globalThis);
    globalThis.postMessage = (message) => {
      post(message);
      if (message.type === 'piece') setTimeout(() => { ${how} });
    };
    import('${new URL('../../dist/browser/engine-worker.min.js', import.meta.url)}');`;
  const worker = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
  const model = await loadModel(source, { device: 'cpu', contextLength: 2048, cache: 'none', worker });
  const ended = [];
  for (let i = 0; i < 2; i++)
    ended.push(
      await tokensOf(model, { prompt: 'Once', temperature: 0, ignoreEos: true, maxTokens: 2000 }).then(
        (tokens) => `${tokens.length}`,
        (error) => `${error.lost}: ${said(error)}`,
      ),
    );
  await model.dispose();
  const again = await loadModel(source, { device: 'cpu', contextLength: 128, cache: 'none' });
  const text = await textOf(again, HEN);
  await again.dispose();
  return [...ended, text];
}
