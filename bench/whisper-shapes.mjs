// Whisper models of real shapes and random weights, as whisper.cpp has them (f16): what a speed needs of a model, and no more.
// node bench/whisper-shapes.mjs base OUT.bin
import { closeSync, openSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WHISPER_SYNTH_MODELS, whisperSynthConfig } from '../dist/models/synth-whisper.js';

/** Sizes of OpenAI's models, as "ingot synth whisper-base" and the like have them in GGUF files, which whisper.cpp does not read. */
export const SHAPES = Object.fromEntries(WHISPER_SYNTH_MODELS.map((model) => {
  const { dim, heads, encoderLayers, layers, melBands: bands, vocabSize: vocab } = whisperSynthConfig(model);
  return [model.slice('whisper-'.length), { dim, heads, encoderLayers, layers, bands, vocab }];
}));
const [POSITIONS, CONTEXT, BINS, TEXT_TOKENS] = [1500, 448, 201, 50_257];
/** ggml's ids of types. */
const [F32, F16] = [0, 1];

/** [name, type, sizes from the outermost on] */
function* tensorsOf({ dim, encoderLayers, layers, bands, vocab }) {
  const vector = (name) => [name, F32, [dim]];
  const norm = (name) => [vector(`${name}.weight`), vector(`${name}.bias`)];
  const product = (name, out, columns, hasBias = true) =>
    [[`${name}.weight`, F16, [out, columns]], ...(hasBias ? [[`${name}.bias`, F32, [out]]] : [])];
  const attention = (name) => ['query', 'key', 'value', 'out'].flatMap((part) => product(`${name}.${part}`, dim, dim, part !== 'key'));
  const mlp = (name) => [...product(`${name}.mlp.0`, 4 * dim, dim), ...product(`${name}.mlp.2`, dim, 4 * dim)];
  yield ['encoder.positional_embedding', F32, [POSITIONS, dim]];
  for (const [name, from] of [['conv1', bands], ['conv2', dim]]) {
    yield [`encoder.${name}.weight`, F16, [dim, from, 3]];
    yield [`encoder.${name}.bias`, F32, [dim, 1]];
  }
  for (let n = 0; n < encoderLayers; n++) {
    const block = `encoder.blocks.${n}`;
    yield* [...norm(`${block}.attn_ln`), ...attention(`${block}.attn`), ...norm(`${block}.mlp_ln`), ...mlp(block)];
  }
  yield* norm('encoder.ln_post');
  yield ['decoder.positional_embedding', F32, [CONTEXT, dim]];
  yield ['decoder.token_embedding.weight', F16, [vocab, dim]];
  for (let n = 0; n < layers; n++) {
    const block = `decoder.blocks.${n}`;
    yield* [
      ...norm(`${block}.attn_ln`), ...attention(`${block}.attn`), ...norm(`${block}.cross_attn_ln`), ...attention(`${block}.cross_attn`),
      ...norm(`${block}.mlp_ln`), ...mlp(block),
    ];
  }
  yield* norm('decoder.ln');
}

/** Random bytes of a type, the same each time, in a buffer that is used again and again. */
function noise(type) {
  const length = 1 << 19;
  let seed = 1;
  const random = () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32 - 0.5;
  if (type === F32) return new Uint8Array(Float32Array.from({ length }, () => 0.1 * random()).buffer);
  // Halves of exponents -5 to -7 and any fraction.
  return new Uint8Array(Uint16Array.from({ length }, () => {
    const bits = Math.floor((random() + 0.5) * 65_536);
    return (bits & 0x83ff) | ((8 + (bits >> 10) % 3) << 10);
  }).buffer);
}

export function writeWhisper(path, shape) {
  const { dim, heads, encoderLayers, layers, bands, vocab } = SHAPES[shape];
  const file = openSync(path, 'w');
  const put = (bytes) => writeSync(file, bytes);
  const ints = (...values) => put(new Uint8Array(Int32Array.from(values).buffer));
  ints(0x67676d6c, vocab, POSITIONS, dim, heads, encoderLayers, CONTEXT, dim, heads, layers, bands, F16, bands, BINS);
  put(new Uint8Array(new Float32Array(bands * BINS).fill(0.01).buffer));
  ints(TEXT_TOKENS);
  const words = [];
  for (let id = 0; id < TEXT_TOKENS; id++) {
    const word = Buffer.from(` t${id}`);
    const size = Buffer.alloc(4);
    size.writeInt32LE(word.length);
    words.push(size, word);
  }
  put(Buffer.concat(words));
  const made = { [F32]: noise(F32), [F16]: noise(F16) };
  for (const [name, type, sizes] of tensorsOf(SHAPES[shape])) {
    ints(sizes.length, Buffer.byteLength(name), type, ...sizes.toReversed());
    put(Buffer.from(name));
    const bytes = made[type];
    let rest = sizes.reduce((product, size) => product * size, 1) * (type === F32 ? 4 : 2);
    for (; rest > 0; rest -= bytes.length) put(bytes.subarray(0, Math.min(rest, bytes.length)));
  }
  closeSync(file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeWhisper(process.argv[3], process.argv[2]);
