// Streams a story from the bundled model.
import { bundledModelPath, loadModel } from 'ingot';

const model = await loadModel(bundledModelPath());
try {
  const messages = [{ role: 'user', content: 'Tell me a story about a fox called Ash.' }];
  for await (const piece of model.generate({ messages, seed: 1, maxTokens: 200 })) {
    process.stdout.write(piece.text);
    if (piece.finishReason) console.log(`\n(${piece.usage.completionTokens} tokens, ${model.info.deviceDescription})`);
  }
} finally {
  await model.dispose();
}
