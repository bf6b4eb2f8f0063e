// Leaving the loop stops the work; the next call starts at once.
import { bundledModelPath, loadModel } from 'ingot';

const about = (animal) => [{ role: 'user', content: `Tell me a story about ${animal}.` }];

const model = await loadModel(bundledModelPath(), { contextLength: 512 });
try {
  let text = '';
  for await (const piece of model.generate({ messages: about('a fox'), temperature: 0, ignoreEos: true })) {
    text += piece.text;
    if (text.length > 60) break;
  }
  console.log(`stopped after: ${text}`);

  const signal = AbortSignal.timeout(50);
  const long = model.generate({ messages: about('an owl'), maxTokens: 500, ignoreEos: true, signal });
  const ended = await (async () => {
    for await (const piece of long) if (piece.finishReason) return piece.finishReason;
  })().catch((error) => error.name);
  console.log(`a deadline ended the next one: ${ended}`);
} finally {
  await model.dispose();
}
