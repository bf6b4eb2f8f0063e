// What the last of 15 turns waits for beside the second, where the state of the turns before it is kept: synthetic files of real shapes.
// node bench/chat-turns.mjs [--models lfm2.5-1.2b,qwen3.5-0.8b] [--type q4_0] [--device cpu|gpu|software] [--turns 15] [--runs 3]
//   [--question 30] [--answer 64] [--threads 2] [--model-dir DIR] [--out FILE]
//
// Turns are token ids, so that no tokenizer decides how much is new; each prefills its question and the token of the answer before it that
// never ran (bench/README.md, "turns": a turn that has fewer tokens cached is an error). `snapshotBytes` is what one kept state takes.
import { appendFileSync, existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    models: { type: 'string', default: 'lfm2.5-1.2b,qwen3.5-0.8b' },
    type: { type: 'string', default: 'q4_0' },
    device: { type: 'string', default: 'cpu' },
    turns: { type: 'string', default: '15' },
    runs: { type: 'string', default: '3' },
    question: { type: 'string', default: '30' },
    answer: { type: 'string', default: '64' },
    threads: { type: 'string', default: '2' },
    'model-dir': { type: 'string', default: join(tmpdir(), 'ingot-chat-turns') },
    out: { type: 'string', default: new URL('./results/chat-turns.jsonl', import.meta.url).pathname },
  },
});
const { ingotEngine } = await import('../dist/bench/engines/ingot-engine.js');
const { describeCommit, describeMachine, describeModel } = await import('../dist/bench/machine.js');
const { summarise } = await import('../dist/bench/statistics.js');
const { randomIds } = await import('../dist/bench/workloads.js');
const { openCheckpoint } = await import('../dist/files/open-checkpoint.js');
const { slotBytes } = await import('../dist/graph/state-sizes.js');
const { openDecoder } = await import('../dist/models/open-decoder.js');
const { locate } = await import('../dist/node/open-path.js');
const { synthFile } = await import('../dist/node/synth.js');

const [turns, runs, question, answer] = [values.turns, values.runs, values.question, values.answer].map(Number);
const { signal } = new AbortController();

async function sizesOf(modelPath) {
  const checkpoint = await openCheckpoint(await locate(modelPath));
  try {
    const { model, config } = await openDecoder(checkpoint);
    return { snapshotBytes: slotBytes(model), vocabSize: config.vocabSize };
  } finally {
    await checkpoint.close();
  }
}

/** Milliseconds to the first token, by turn, of each run; the first run warms up and is not among them. */
async function waitsOf(modelPath, vocabSize) {
  const contextLength = turns * (question + answer);
  const threads = values.device === 'cpu' ? Number(values.threads) : undefined;
  const engine = await ingotEngine.open({ modelPath, device: values.device, threads, contextLength, isConversation: true });
  try {
    const waits = [];
    for (let run = 0; run <= runs; run++) {
      const asked = Array.from({ length: turns }, (_, turn) => randomIds(question, { seed: 100 * run + turn, vocabSize }));
      const found = await engine.converse({ turns: asked, answerTokens: answer, reusesPrefix: true });
      if (run > 0) waits.push(found);
    }
    return { waits, facts: engine.facts };
  } finally {
    await engine.close();
  }
}

mkdirSync(values['model-dir'], { recursive: true });
const common = { time: new Date().toISOString(), commit: await describeCommit(), machine: describeMachine() };
for (const name of values.models.split(',')) {
  const modelPath = join(values['model-dir'], `${name}-${values.type}.gguf`);
  if (!existsSync(modelPath)) await synthFile(modelPath, { model: name, type: values.type });
  const { snapshotBytes, vocabSize } = await sizesOf(modelPath);
  const { waits, facts } = await waitsOf(modelPath, vocabSize);
  const ofTurn = (turn) => summarise(waits.map((run) => run[turn - 1]));
  const [second, last] = [ofTurn(2), ofTurn(turns)];
  const line = {
    ...common, model: await describeModel(modelPath, signal), measure: `TTFT of turn ${turns} over turn 2`, unit: 'times', engine: facts,
    flags: { question, answer, runs }, value: Number((last.median / second.median).toFixed(3)),
    ofLeast: Number((last.min / second.min).toFixed(3)), snapshotBytes,
    prefilled: { second: question + 1, last: question + 1 }, firstMs: ofTurn(1), secondMs: second, lastMs: last,
  };
  appendFileSync(values.out, `${JSON.stringify(line)}\n`);
  process.stdout.write(
    `${name.padEnd(16)} ${facts.device}: turn 2 ${second.median.toFixed(1)} ms, turn ${turns} ${last.median.toFixed(1)} ms, ` +
      `${line.value} times (least against least ${line.ofLeast}); a snapshot ${(snapshotBytes / 1e6).toFixed(1)} MB\n`,
  );
}
