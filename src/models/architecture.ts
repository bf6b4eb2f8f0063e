/** What a model family has to say about itself. One file per architecture; nothing else knows an architecture's name. */
import type { ModelGraphs } from '../graph/model-graphs.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { DecoderConfig } from './decoder-config.ts';
import type { VisionFamily, VisionTower } from './vision.ts';
import type { SkipRule, WeightSpec } from './weight-spec.ts';

/** Where a table of every token's embeddings for each layer is: in the device's memory, or in the file, whose rows the host reads. */
export const PER_LAYER_TABLES = ['device', 'host'] as const;
export type PerLayerTable = (typeof PER_LAYER_TABLES)[number];

/** What a graph is made for, beside its config. */
export interface GraphSetting {
  /** Most positions of a sequence. */
  readonly contextLength: number;
  /** Contents of the file's tensors that {@link Architecture.constants} names, those that it has. */
  readonly constants: ReadonlyMap<string, Float32Array>;
  /** Default `device`; `host` only where {@link Architecture.perLayerTable} names a table. */
  readonly perLayerTable?: PerLayerTable | undefined;
  /** The tower of a model that sees; only where {@link Architecture.sees} names its family. */
  readonly vision?: VisionTower | undefined;
}

/** A vector of f32 that goes into the graph instead of to the device: divisors of rotary frequencies. */
export interface ConstantTensor {
  readonly name: string;
  readonly length: number;
}

/** `Config` is what a family's own parser makes; others see no more of it than {@link DecoderConfig}. */
export interface Architecture<Config extends DecoderConfig = DecoderConfig> {
  /** GGUF's `general.architecture`. */
  readonly gguf: string;
  /** transformers' `model_type`, and those of other configs that say the same: of a text part, or of a later name. */
  readonly safetensors: readonly string[];
  /** Where several families share a name: whether a checkpoint of it is of this one. The first such one of the list is taken. */
  isOfFamily?(checkpoint: Checkpoint): boolean;
  parseConfig(checkpoint: Checkpoint): Config;
  /** Warnings of settings that are not known. @throws FormatError for those that are known, and not obeyed */
  checkSettings(checkpoint: Checkpoint, config: Config): readonly string[];
  /** What a file decides of how it stores them (fused or not) is in the config. */
  weights(config: Config): readonly WeightSpec[];
  /** Tensors that a file may hold and no op reads. */
  readonly skips: readonly SkipRule[];
  /** Positive numbers of GGUF files that the graph is made with, each of which may be absent. */
  constants?(config: Config): readonly ConstantTensor[];
  /** Id of the weight that is a table of embeddings for each layer, where a model has one that the graph can take rows of from the host. */
  perLayerTable?(config: Config): string | undefined;
  /** Families of towers whose pictures its layers take in place of tokens. */
  readonly sees?: readonly VisionFamily[] | undefined;
  graphs(config: Config, setting: GraphSetting): ModelGraphs;
  /** GGUF's keys under the architecture's name. */
  metadata(config: Config): GgufMetadata;
  /** What others read otherwise of the GGUF file of this config. */
  exportWarnings?(config: Config): readonly string[];
  /** {@link constants} as a GGUF file of this config has them. */
  exportedConstants?(config: Config): ReadonlyMap<string, Float32Array>;
}
