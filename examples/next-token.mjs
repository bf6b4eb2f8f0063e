// The model's own view of what comes next: logits of one position, as probabilities.
import { bundledModelPath, loadModel } from 'ingot';

const model = await loadModel(bundledModelPath());
try {
  const ids = model.tokenizer.encode('The capital of France is');
  const logits = await model.forward(ids, { positions: [ids.length - 1] });
  const highest = logits.reduce((a, b) => Math.max(a, b));
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
  const ranked = Array.from(logits, (logit, id) => ({ id, share: Math.exp(logit - highest) / total }));
  for (const { id, share } of ranked.sort((a, b) => b.share - a.share).slice(0, 5)) {
    console.log(`${(100 * share).toFixed(1).padStart(5)}%  ${JSON.stringify(model.tokenizer.decode([id]))}`);
  }
} finally {
  await model.dispose();
}
