// Answers from the texts of a folder: node rag.mjs FOLDER "QUESTION". EMBEDDER and MODEL name other models.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv, env } from 'node:process';
import { bundledModelPath, loadModel } from 'ingot';

const [folder = '.', question = 'What is this about?'] = argv.slice(2);
const PASSAGE_LETTERS = 800;

/** Paragraphs, joined while they are short. */
function passagesOf(text, file) {
  const passages = [];
  for (const paragraph of text.split(/\n\s*\n/).map((each) => each.trim()).filter(Boolean)) {
    const last = passages.at(-1);
    if (last && last.text.length + paragraph.length < PASSAGE_LETTERS) last.text += `\n${paragraph}`;
    else passages.push({ file, text: paragraph });
  }
  return passages;
}

const names = (await readdir(folder, { recursive: true })).filter((name) => /\.(md|txt)$/.test(name)).sort();
const files = await Promise.all(names.map(async (name) => passagesOf(await readFile(join(folder, name), 'utf8'), name)));
const passages = files.flat();
if (passages.length === 0) throw new Error(`${folder} holds no .md or .txt file`);

/** The passages that are nearest to the question. */
async function nearest(count) {
  const embedder = await loadModel(env.EMBEDDER ?? 'Qwen/Qwen3-Embedding-0.6B-GGUF');
  try {
    const [asked] = await embedder.embed([question], { kind: 'query' });
    const vectors = await embedder.embed(passages.map(({ text }) => text), { kind: 'document' });
    // Unit vectors: their product is the cosine.
    const score = (vector) => vector.reduce((sum, value, i) => sum + value * asked[i], 0);
    const scored = passages.map((passage, i) => ({ ...passage, score: score(vectors[i]) }));
    return scored.sort((a, b) => b.score - a.score).slice(0, count);
  } finally {
    await embedder.dispose();
  }
}

const found = await nearest(3);
for (const { file, score } of found) console.log(`${score.toFixed(3)}  ${file}`);
const model = await loadModel(env.MODEL ?? bundledModelPath());
try {
  const context = found.map(({ file, text }) => `${file}:\n${text}`).join('\n\n');
  const messages = [{ role: 'user', content: `${context}\n\nAnswer by these texts alone: ${question}` }];
  for await (const { text } of model.generate({ messages, temperature: 0, reasoning: false, maxTokens: 200 })) process.stdout.write(text);
  console.log();
} finally {
  await model.dispose();
}
