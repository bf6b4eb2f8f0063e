/**
 * Silero's voice activity detector for 16 kHz (snakers4/silero-vad, MIT), of tensors named as in its ONNX file: four convolutions over the
 * magnitudes of 512 samples, which leave one row, and a long short-term memory over those rows. Two graphs, since every piece of four rows
 * has zeros of its own around it, and the memory goes on from piece to piece.
 */
import { conv1d } from '../graph/conv1d.ts';
import type { WeightSource } from '../graph/executor.ts';
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { buildModel } from '../graph/model-graphs.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { activation } from '../graph/ops/activation.ts';
import { linear } from '../graph/ops/linear.ts';
import { lstm } from '../graph/ops/lstm.ts';
import { outputFrames } from '../graph/ops/windows.ts';
import type { Value } from '../graph/value.ts';
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { Checkpoint, TensorEntry } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { readFloats } from './read-floats.ts';
import { reshape, tensor, transpose } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import { bindWeights } from './weight-spec.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config: the file has none, and there is one size.

const BINS = 129;
const HIDDEN = 128;
/** Of each convolution over three rows: what goes in, what comes out, and its step. */
const CONVOLUTIONS = [
  { from: BINS, to: 128, stride: 1 }, { from: 128, to: 64, stride: 2 },
  { from: 64, to: 64, stride: 2 }, { from: 64, to: HIDDEN, stride: 1 },
] as const;
const TAPS = 3;

// Weights.

const BASIS = 'stft.forward_basis_buffer';
const BASIS_SIZE = 256;
const INPUT_BIASES = ['decoder.rnn.bias_ih', 'decoder.rnn.bias_hh'] as const;

function own(id: string, shape: readonly number[], expression: WeightExpression): WeightSpec {
  return { id, shape, gguf: expression, safetensors: expression };
}

function specs(): WeightSpec[] {
  const convolutions = CONVOLUTIONS.flatMap(({ from, to }, i) => {
    const name = `encoder.${i}.reparam_conv`;
    const tapsFirst = reshape(transpose(tensor(`${name}.weight`, [to, from, TAPS])), [to, TAPS * from]);
    return [own(`conv.${i}`, [to, TAPS * from], tapsFirst), own(`conv.${i}.bias`, [to], tensor(`${name}.bias`, [to]))];
  });
  return [
    ...convolutions,
    own('memory.input', [4 * HIDDEN, HIDDEN], tensor('decoder.rnn.weight_ih', [4 * HIDDEN, HIDDEN])),
    own('memory', [4 * HIDDEN, HIDDEN], tensor('decoder.rnn.weight_hh', [4 * HIDDEN, HIDDEN])),
    own('out', [1, HIDDEN], reshape(tensor('decoder.decoder.2.weight', [1, HIDDEN, 1]), [1, HIDDEN])),
    own('out.bias', [1], tensor('decoder.decoder.2.bias', [1])),
  ];
}

const SKIPS = [
  { pattern: /^stft\.forward_basis_buffer$/, reason: "a Hann window's Fourier transform, which is computed" },
  { pattern: /^decoder\.rnn\.bias_(ih|hh)$/, reason: 'added up into one' },
];

// Graphs.

/** Names of the graphs, and of what goes in and comes out. */
export const SILERO = {
  /** rows [frames, 129] of one piece, 4 of them, to `features` [1, 128]. */
  encoder: { graph: 'encoder', rows: 'rows', features: 'features' },
  /** features [pieces, 128] to `probabilities` [pieces, 1], with the memory of what was before. */
  memory: { graph: 'memory', features: 'features', probabilities: 'probabilities' },
} as const;

function encode(g: GraphBuilder): Value {
  let x = g.input(SILERO.encoder.rows, 'f32', ['frames', BINS]);
  CONVOLUTIONS.forEach(({ from, to, stride }, i) => {
    const span = { taps: TAPS, stride, before: 1 };
    const before = x.shape[0] as string;
    const frames = g.derivedDim(`frames${i}`, (sizes) => outputFrames(sizes[before] ?? 0, { ...span, after: 1 }));
    const weights = { weight: g.weight(`conv.${i}`, [to, TAPS * from]), bias: g.weight(`conv.${i}.bias`, [to]) };
    x = activation(g, `relu.${i}`, 'relu', conv1d(g, `conv.${i}`, x, { ...span, ...weights, frames }));
  });
  return x;
}

function remember(g: GraphBuilder): Value {
  const features = g.input(SILERO.memory.features, 'f32', ['pieces', HIDDEN]);
  const gates = linear(g, 'gates', features, g.weight('memory.input', [4 * HIDDEN, HIDDEN]), g.weight('memory.bias', [4 * HIDDEN]));
  const state = g.slotState({ shape: [2, HIDDEN], dtype: 'f32' });
  const hidden = lstm(g, 'memory', gates, { weight: g.weight('memory', [4 * HIDDEN, HIDDEN]), state });
  const shown = activation(g, 'relu', 'relu', hidden);
  return activation(g, 'probability', 'sigmoid', linear(g, 'out', shown, g.weight('out', [1, HIDDEN]), g.weight('out.bias', [1])));
}

export interface SileroModel {
  readonly model: ModelGraphs;
  readonly weights: ReadonlyMap<string, WeightSource>;
}

/**
 * The model of a safetensors file without a config.
 * @param name of the file, for messages
 * @throws FormatError for tensors of another model, or of another rate
 */
export async function openSilero(name: string, tensors: ReadonlyMap<string, TensorEntry>, options?: ReadOptions): Promise<SileroModel> {
  if (!tensors.has('decoder.rnn.weight_ih') || !tensors.has('encoder.0.reparam_conv.weight')) {
    throw new FormatError(
      `${name}: expected Silero's voice detector for 16 kHz as safetensors, with decoder.rnn.weight_ih and encoder.0.reparam_conv.weight ` +
        `among its tensors, found ${[...tensors.keys()].slice(0, 3).join(', ')}.`,
    );
  }
  await checkBasis(name, tensors, options);
  const checkpoint: Checkpoint = {
    name, tensors, format: 'safetensors', architecture: 'silero', metadata: new Map(), config: undefined, assets: new Map(), sizeBytes: 0,
    close: async () => {},
  };
  const { weights } = bindWeights(checkpoint, specs(), SKIPS);
  const biases = await Promise.all(INPUT_BIASES.map((bias) => readFloats(name, tensors, { name: bias, shape: [4 * HIDDEN] }, options)));
  const bias = biases[0]!.map((value, i) => value + biases[1]![i]!);
  const model = buildModel('silero', (m) => {
    m.graph(SILERO.encoder.graph, (g) => g.output(SILERO.encoder.features, encode(g)));
    m.graph(SILERO.memory.graph, (g) => g.output(SILERO.memory.probabilities, remember(g)));
  }, {});
  return { model, weights: new Map([...weights, ['memory.bias', madeWeight('memory.bias', bias)]]) };
}

/** The transform is computed by the host: a file with another one is another model. */
async function checkBasis(name: string, tensors: ReadonlyMap<string, TensorEntry>, options?: ReadOptions): Promise<void> {
  const basis = await readFloats(name, tensors, { name: BASIS, shape: [2 * BINS, 1, BASIS_SIZE] }, options);
  for (let row = 0; row < 2 * BINS; row++) {
    for (let t = 0; t < BASIS_SIZE; t++) {
      const angle = (2 * Math.PI * (((row % BINS) * t) % BASIS_SIZE)) / BASIS_SIZE;
      const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * t) / BASIS_SIZE);
      const expected = window * (row < BINS ? Math.cos(angle) : -Math.sin(angle));
      if (!(Math.abs(basis[row * BASIS_SIZE + t]! - expected) < 1e-5))
        throw new FormatError(`${name}: expected ${BASIS} to be a Hann window's Fourier transform, found another at row ${row}.`);
    }
  }
}

function madeWeight(id: string, values: Float32Array): WeightSource {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return {
    id, type: 'f32', shape: [values.length], sizeBytes: bytes.length, origin: INPUT_BIASES.join(' + '),
    read: async (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
  };
}
