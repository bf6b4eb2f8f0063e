// A model in a thread of its own: the main thread stays free, and questions go back and forth as messages.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { bundledModelPath, loadModel } from 'ingot';

if (isMainThread) await ask(['Where does a hen live?', 'Where does a fox live?']);
else await answer();

/** In the main thread. */
async function ask(questions) {
  const worker = new Worker(new URL(import.meta.url));
  await new Promise((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', resolve);
    worker.on('message', ({ id, text, isLast }) => {
      process.stdout.write(text);
      if (!isLast) return;
      console.log();
      if (id + 1 < questions.length) worker.postMessage({ id: id + 1, question: questions[id + 1] });
      else worker.postMessage('end');
    });
    worker.postMessage({ id: 0, question: questions[0] });
  });
}

/** In the worker, which ends when the model is disposed and nothing listens any more. */
async function answer() {
  const model = await loadModel(bundledModelPath());
  parentPort.on('message', async (message) => {
    if (message === 'end') {
      await model.dispose();
      parentPort.close();
      return;
    }
    const { id, question } = message;
    const messages = [{ role: 'user', content: question }];
    for await (const { text, finishReason } of model.generate({ messages, temperature: 0, reasoning: false, maxTokens: 60 }))
      parentPort.postMessage({ id, text, isLast: finishReason !== undefined });
  });
}
