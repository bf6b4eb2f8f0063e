/**
 * A small model of random weights that says letters, with the tokenizer and the chat template of the fake model, on the software adapter.
 */
import { createModelFromParts } from '../../src/engine/model.ts';
import type { ModelOptions } from '../../src/engine/model.ts';
import type { Model } from '../../src/engine/api.ts';
import { openGpuDevice } from '../../src/gpu/device/gpu-device.ts';
import type { GpuDevice } from '../../src/gpu/device/gpu-device.ts';
import { createGpuExecutor } from '../../src/gpu/gpu-executor.ts';
import type { Executor, Program, WeightSource } from '../../src/graph/executor.ts';
import { modelOfDecoder } from '../../src/graph/model-graphs.ts';
import type { DecoderModel } from '../../src/models/open-decoder.ts';
import { findAdapter } from '../../src/node/gpu-adapter.ts';
import { FAKE_VOCAB, fakeTextSide } from '../fake-model.ts';
import { sourceOfBytes, syntheticGraph, syntheticRequest, TINY } from '../synthetic-graph.ts';
import { TEST_PROFILES } from './executor-check.ts';

const CONTEXT = 1024;
const shape = { ...TINY, layers: 1, vocab: FAKE_VOCAB };
/** Chunks of 32 rows, up to 16 steps a submit. */
const profile = { ...TEST_PROFILES.float, prefillRows: 32, stepsPerSubmit: 16 };

const isLetter = (id: number) => id >= 97 && id <= 122;

/** Logits of all but the letters a to z are 0, and those of letters are spread widely around it. */
function lettersOnly(source: WeightSource): WeightSource {
  const [, cols] = source.shape as [number, number];
  return {
    ...source,
    async read(byteOffset, into, options) {
      const values = new Float32Array(into.length / 4);
      await source.read(byteOffset, new Uint8Array(values.buffer), options);
      const first = byteOffset / 4;
      for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) * (isLetter(Math.floor((first + i) / cols)) ? 4 : 0);
      into.set(new Uint8Array(values.buffer));
    },
  };
}

export interface LettersOptions {
  /** Changes to the weights. */
  readonly weights?: (weights: Map<string, WeightSource>) => void;
  /** Default 1024. */
  readonly contextLength?: number;
}

export function lettersDecoder({ weights: change, contextLength = CONTEXT }: LettersOptions = {}): DecoderModel {
  const graph = syntheticGraph(shape);
  const weights = new Map(syntheticRequest({ graph, typeOf: () => 'f32' }).weights);
  weights.set('output', lettersOnly(weights.get('output') as WeightSource));
  change?.(weights);
  const config = {
    architecture: 'letters',
    vocabSize: FAKE_VOCAB,
    contextLength,
    dim: shape.dim,
    layers: shape.layers,
    heads: shape.heads,
    kvHeads: shape.kvHeads,
    headDim: shape.headDim,
    ffnDim: shape.ffnDim,
    rmsEps: 1e-5,
    rope: { theta: 10_000, scaling: { kind: 'none' } },
    causal: true,
    tiedEmbeddings: false,
    biases: [],
  } as const;
  return { config, model: modelOfDecoder(graph), weights, skipped: [], warnings: [] };
}

/** f32 values as the whole of a weight. */
export function filledWith(source: WeightSource, value: number): WeightSource {
  const bytes = new Uint8Array(new Float32Array(source.sizeBytes / 4).fill(value).buffer);
  return sourceOfBytes(source.id, { type: 'f32', shape: source.shape, bytes });
}

/** An executor on the software adapter that shows the devices it opened. */
export function observedExecutor(): { readonly executor: Executor; readonly devices: readonly GpuDevice[] } {
  const devices: GpuDevice[] = [];
  const open = async () => {
    const { adapter, problem } = await findAdapter('software');
    if (adapter === undefined) throw new Error(problem);
    const device = await openGpuDevice(adapter);
    devices.push(device);
    return device;
  };
  return { executor: createGpuExecutor({ open, name: 'SwiftShader', kind: 'software', profile }), devices };
}

export interface LettersModelOptions extends ModelOptions {
  /** Letters that end an answer. */
  readonly endIds?: readonly number[];
  readonly decoder?: DecoderModel;
}

export function lettersModel({ endIds = [], decoder = lettersDecoder(), ...options }: LettersModelOptions): Promise<Model> {
  const text = { ...fakeTextSide(), endIds: new Set(endIds), samplingDefaults: { temperature: 0.7, topK: 3 } };
  return createModelFromParts({ name: 'letters', sizeBytes: 0, decoder, text }, options);
}

/** The program of {@link lettersModel}'s decoder, for `sharing`. */
export async function lettersProgram(executor: Executor): Promise<Program> {
  const { model, weights } = lettersDecoder();
  return executor.load({
    model,
    weights,
    kv: { type: 'f32', pageTokens: 64, maxPages: CONTEXT / 64 },
    sizes: { rows: profile.prefillRows },
  });
}
