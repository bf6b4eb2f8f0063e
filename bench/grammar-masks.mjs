/**
 * Masks of 60 schemas over vocabularies: processor time to compile each, to find the table that devices follow, and of each mask along
 * answers chosen evenly over what masks allow.
 * node bench/grammar-masks.mjs [GGUF file ...]; one JSON line each. Needs a build.
 */
import { readFileSync } from 'node:fs';
import { openGguf } from '../dist/files/gguf-reader.js';
import { memoryFolder } from '../dist/files/memory-source.js';
import { createGrammarCompiler } from '../dist/text/grammars/output-format.js';
import { ggufTokenizer } from '../dist/text/gguf-tokenizer.js';

const schemas = JSON.parse(readFileSync(new URL('../test/fixtures/structured-output/schemas.json', import.meta.url), 'utf8'));
const files = process.argv.length > 2 ? process.argv.slice(2) : ['models/ember-21m-q4_0.gguf'];

function processorMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function timed(work, into) {
  const from = processorMs();
  const result = work();
  into.push(processorMs() - from);
  return result;
}

function percentiles(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share) => Number(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(3));
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), most: at(1) };
}

for (const file of files) {
  const folder = memoryFolder(new Map([['v.gguf', new Uint8Array(readFileSync(file))]]), 'bench');
  const tokenizer = ggufTokenizer(await openGguf(folder, 'v.gguf'));
  const compiler = createGrammarCompiler(tokenizer, tokenizer.vocabSize, tokenizer.endIds);
  const [tables, compiles, masks, searches] = [[], [], [], []];
  timed(() => compiler.compile({ type: 'json' }), tables);
  for (const { schema } of schemas) {
    const compiled = timed(() => compiler.compile({ type: 'schema', schema }), compiles);
    timed(() => compiled.search().found(), searches);
    const matcher = compiled.start();
    for (let step = 0; step < 60 && !matcher.isDone; step++) {
      const mask = timed(() => matcher.mask(), masks);
      const allowed = [];
      for (let id = 0; id < tokenizer.vocabSize; id++) if ((mask[id >> 5] >>> (id & 31)) & 1) allowed.push(id);
      matcher.accept(allowed[(step * 7919) % allowed.length]);
    }
  }
  console.log(JSON.stringify({
    bench: 'grammar-masks', file: file.split('/').at(-1), vocabSize: tokenizer.vocabSize, schemas: schemas.length, masks: masks.length,
    tablesMs: Math.round(tables[0]), compileMs: percentiles(compiles), tableMs: percentiles(searches),
    bothMs: percentiles(compiles.map((ms, i) => ms + searches[i])), maskMs: percentiles(masks), node: process.version,
  }));
}
