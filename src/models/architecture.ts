/** What a model family has to say about itself. One file per architecture; nothing else knows an architecture's name. */
import type { ModelGraphs } from '../graph/model-graphs.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import type { DecoderConfig } from './decoder-config.ts';
import type { SkipRule, WeightSpec } from './weight-spec.ts';

export interface Architecture {
  /** GGUF's `general.architecture` and transformers' `model_type`. */
  readonly name: string;
  parseConfig(checkpoint: Checkpoint): DecoderConfig;
  /** Warnings of settings that are not known. @throws FormatError for those that are known, and not obeyed */
  checkSettings(checkpoint: Checkpoint, config: DecoderConfig): readonly string[];
  /** What a file decides of how it stores them (fused or not) is in the config. */
  weights(config: DecoderConfig): readonly WeightSpec[];
  /** Tensors that a file may hold and no op reads. */
  readonly skips: readonly SkipRule[];
  /** Name of a tensor of headDim / 2 divisors of the rotary frequencies, for files that have it. */
  readonly ropeDivisors?: string;
  graphs(config: DecoderConfig, ropeDivisors?: Float32Array): ModelGraphs;
}
