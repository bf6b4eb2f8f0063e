/** From a checkpoint to a graph and the weights that it needs. */
import type { WeightSource } from '../graph/executor.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { FormatError } from '../tensor/errors.ts';
import type { Architecture } from './architecture.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { llama } from './llama.ts';
import { qwen3 } from './qwen3.ts';
import { bindWeights } from './weight-spec.ts';

export const ARCHITECTURES: readonly Architecture[] = [llama, qwen3];

export interface DecoderModel {
  readonly config: DecoderConfig;
  readonly model: ModelGraphs;
  /** By the ids that the graph's ops name. */
  readonly weights: ReadonlyMap<string, WeightSource>;
  /** Tensors of the file that no op reads, and why. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  /** What a user should know of settings that are not known here. */
  readonly warnings: readonly string[];
}

export interface OpenDecoderOptions extends ReadOptions {
  /** Default {@link ARCHITECTURES}. */
  readonly architectures?: readonly Architecture[];
}

/**
 * @throws FormatError for an unknown architecture, settings that contradict each other, missing, extra or misshapen tensors, and types
 * without kernels
 */
export async function openDecoder(checkpoint: Checkpoint, options: OpenDecoderOptions = {}): Promise<DecoderModel> {
  const { architectures = ARCHITECTURES } = options;
  const architecture = architectures.find(({ name }) => name === checkpoint.architecture);
  if (architecture === undefined) {
    throw new FormatError(
      `${checkpoint.name}: architecture ${JSON.stringify(checkpoint.architecture.slice(0, 80))} is not supported; ` +
        `supported: ${architectures.map(({ name }) => name).join(', ')}.`,
    );
  }
  const config = architecture.parseConfig(checkpoint);
  const warnings = architecture.checkSettings(checkpoint, config);
  const { weights, skipped } = bindWeights(checkpoint, architecture.weights(config), architecture.skips);
  const divisors = await readRopeDivisors(checkpoint, architecture, config.headDim / 2, options);
  return { config, weights, skipped, warnings, model: architecture.graphs(config, divisors) };
}

async function readRopeDivisors(checkpoint: Checkpoint, architecture: Architecture, length: number, options?: ReadOptions) {
  const entry = architecture.ropeDivisors === undefined ? undefined : checkpoint.tensors.get(architecture.ropeDivisors);
  if (entry === undefined) return undefined;
  if (entry.type !== 'f32' || entry.shape.length !== 1 || entry.shape[0] !== length) {
    throw new FormatError(
      `${entry.fileName}: expected ${entry.name} to be f32 [${length}], found ${entry.type} [${entry.shape.join(', ')}].`,
    );
  }
  const bytes = new Uint8Array(entry.sizeBytes);
  await entry.read(0, bytes, options);
  const divisors = new Float32Array(length);
  decodeRows('f32', bytes, divisors);
  const bad = divisors.findIndex((value) => !(Number.isFinite(value) && value > 0));
  if (bad >= 0) throw new FormatError(`${entry.fileName}: ${entry.name}[${bad}] must be a number above 0, found ${divisors[bad]}.`);
  return divisors;
}
