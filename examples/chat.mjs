// A chat with history: each turn prefills only what is new.
import { bundledModelPath, loadModel } from 'ingot';

const model = await loadModel(bundledModelPath());
try {
  const chat = model.createChat({ system: 'You are Ember.', temperature: 0, reasoning: false });
  for (const question of ['My cat is called Maple.', 'What is my cat called?']) {
    console.log(`> ${question}`);
    for await (const piece of chat.send(question)) {
      process.stdout.write(piece.text);
      if (piece.finishReason) {
        const { promptTokens, cachedTokens } = piece.usage;
        console.log(`\n(${promptTokens} prompt tokens, ${cachedTokens} of them kept from the turn before)`);
      }
    }
  }
} finally {
  await model.dispose();
}
