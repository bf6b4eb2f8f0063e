/**
 * One model as its files give it: names, shapes, types, metadata and lazy bytes, whatever the format.
 * `files/` returns it; `models/` and `text/` read it.
 */
import type { ReadOptions } from './byte-source.ts';
import type { TensorType } from './tensor-type.ts';

export type CheckpointFormat = 'gguf' | 'safetensors';

/** Integers beyond 2^53 come as bigint; GGUF arrays of numbers as typed arrays or plain arrays. */
export type MetadataValue =
  | number
  | bigint
  | boolean
  | string
  | readonly string[]
  | readonly boolean[]
  | readonly bigint[]
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | readonly MetadataValue[];

export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

export interface TensorEntry {
  readonly name: string;
  readonly type: TensorType;
  /** Outermost dimension first ([out, in] for a linear weight), as torch prints it. */
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  /** The file that holds it, for messages. */
  readonly fileName: string;
  /** Offset of the first byte in that file. */
  readonly fileOffset: number;
  /** The index that does not list it, where a shard holds a tensor beyond its index: used where the model has it, else left out. */
  readonly unlistedIn?: string | undefined;
  /** Fills all of `into` with the tensor's bytes from `byteOffset` (within the tensor) on. */
  read(byteOffset: number, into: Uint8Array, options?: ReadOptions): Promise<void>;
}

/** A tensor that lies in the files and is left out. */
export interface SkippedTensor {
  readonly name: string;
  readonly reason: string;
}

/** Text files that lie beside safetensors weights; a GGUF file has all of this in its metadata. */
export type AssetName = RootAsset | ModuleAsset;

/** The settings of a module of sentence-transformers, in the folder that `modules.json` names. */
export type ModuleAsset = `${string}/config.json`;

export type RootAsset =
  | 'config.json'
  | 'generation_config.json'
  | 'tokenizer.json'
  | 'tokenizer_config.json'
  | 'chat_template.jinja'
  | 'special_tokens_map.json'
  | 'modules.json'
  | 'config_sentence_transformers.json'
  | 'sentence_bert_config.json'
  | 'preprocessor_config.json'
  | 'processor_config.json'
  | 'vocab.txt';

export interface Checkpoint {
  readonly format: CheckpointFormat;
  /** The path or URL that was opened, for messages. */
  readonly name: string;
  /** GGUF `general.architecture`, or `model_type` of config.json. */
  readonly architecture: string;
  /** GGUF key values in file order; empty for safetensors. */
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** The parsed config.json; undefined for GGUF. */
  readonly config: JsonObject | undefined;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Copies of tensors that an index superseded by those in other files. */
  readonly superseded?: readonly SkippedTensor[] | undefined;
  /** How a folder packs quantised weights, whose planes are joined into the tensors above; config.json's keys of it are then obeyed. */
  readonly packing?: string | undefined;
  /** Contents of files beside the weights that were present when the checkpoint was opened. */
  readonly assets: ReadonlyMap<AssetName, string>;
  /** What lies in a file of its own beside a GGUF file: the tower by which the model sees, and its projector (llama.cpp's mmproj). */
  readonly projector?: { readonly checkpoint: Checkpoint; readonly isNamed: boolean } | undefined;
  /** Why the file of a tower that lies beside, and that nobody named, could not be opened: the model is there without it. */
  readonly projectorProblem?: string | undefined;
  /** Bytes of all files of weights. */
  readonly sizeBytes: number;
  close(): Promise<void>;
}
