/**
 * Answers of a model to 60 schemas, checked by ajv: node bench/structured-output.mjs [MODEL.gguf] [--answers 500] [--max-tokens 600]
 *   [--device cpu|gpu|software] [--tables] [--minutes N] [--json FILE]
 * Temperatures 0 and 1 in turns. Counts answers that end, valid ones of them, and those that were cut, by schema; and masks that the host
 * made. `--tables`: ends with an error if it made any, so that all answers are the device's, by tables. `--minutes`: begins no more
 * answers after so many. Needs a build; on the software adapter: node scripts/software-gpu.mjs node bench/structured-output.mjs ...
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import addFormats from 'ajv-formats';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { collect, loadModel } from '../dist/node/index.js';
import { TokenMasks } from '../dist/text/grammars/token-masks.js';

const { values: flags, positionals: [path = 'models/ember-21m-q4_0.gguf'] } = parseArgs({
  allowPositionals: true,
  options: {
    answers: { type: 'string', default: '500' },
    'max-tokens': { type: 'string', default: '600' },
    device: { type: 'string', default: 'cpu' },
    tables: { type: 'boolean', default: false },
    minutes: { type: 'string', default: 'Infinity' },
    json: { type: 'string' },
  },
});
const [answers, maxTokens] = [Number(flags.answers), Number(flags['max-tokens'])];
const schemas = JSON.parse(readFileSync(new URL('../test/fixtures/structured-output/schemas.json', import.meta.url), 'utf8'));
const ajv = new Ajv2020({ strict: false, validateFormats: true });
addFormats.default(ajv);
const validators = schemas.map(({ schema }) => ajv.compile(schema));
const model = await loadModel(path, { device: flags.device, contextLength: maxTokens + 200, maxConcurrent: 8 });
const counts = { 0: { ended: 0, valid: 0, cut: 0, tokens: 0 }, 1: { ended: 0, valid: 0, cut: 0, tokens: 0 } };
const cutBy = {};
let next = 0;
let hostMasks = 0;
const { maskOf } = TokenMasks.prototype;
TokenMasks.prototype.maskOf = function (set) {
  hostMasks++;
  return maskOf.call(this, set);
};
const endAt = performance.now() + Number(flags.minutes) * 60_000;

async function work() {
  while (next < answers && performance.now() < endAt) {
    const number = next++;
    const index = number % schemas.length;
    const temperature = Math.floor(number / schemas.length) % 2;
    const { name, schema } = schemas[index];
    const messages = [{ role: 'user', content: `Give me an example of ${name}. Number ${number}.` }];
    const answer = model.generate({ messages, format: { type: 'schema', schema }, temperature, seed: number, maxTokens });
    const { text, finishReason, tokens } = await collect(answer);
    const count = counts[temperature];
    count.tokens += tokens.length;
    if (finishReason !== 'stop') {
      count.cut++;
      cutBy[name] = (cutBy[name] ?? 0) + 1;
      continue;
    }
    count.ended++;
    if (validators[index](JSON.parse(text))) count.valid++;
    else console.log(`not valid: ${name}: ${text}`);
  }
}

await Promise.all(Array.from({ length: 8 }, work));
const record = {
  bench: 'structured-output', model: model.info.name, device: model.info.deviceDescription, schemas: schemas.length, answers: next,
  maxTokens,
  hostMasks,
  atTemperature0: counts[0], atTemperature1: counts[1], cutBy,
};
console.log(JSON.stringify(record));
if (flags.json !== undefined) appendFileSync(flags.json, `${JSON.stringify(record)}\n`);
await model.dispose();
if (flags.tables && hostMasks > 0) throw new Error(`the host made ${hostMasks} masks, so that not all answers were by the device's tables`);
