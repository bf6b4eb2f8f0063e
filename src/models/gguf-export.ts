/** What a model's GGUF file says and holds: metadata keys, tensors in order, and the type that each gets. */
import type { WeightSource } from '../graph/executor.ts';
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { string, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import type { Architecture } from './architecture.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { withBlocksDecoded } from './decoded-blocks.ts';
import { fileTypeNumber, tensorTypes } from './gguf-mixes.ts';
import type { ExportType } from './gguf-mixes.ts';
import { ARCHITECTURES, architectureOf, skipsOf } from './open-decoder.ts';
import { ggufTensors } from './gguf-tensors.ts';
import { printExpression } from './weight-expression.ts';
import { textPart } from './text-part.ts';
import { filesOf, weightReader } from './weight-reader.ts';
import { bindWeights } from './weight-spec.ts';
import { zeroBiasSkips } from './zero-biases.ts';

export interface ExportTensor {
  readonly name: string;
  readonly type: WeightType;
  readonly shape: readonly number[];
  readonly from: WeightSource | Float32Array;
}

export interface GgufExport {
  readonly config: DecoderConfig;
  /** Settings of the source that are not known, and so not carried over, and what others read otherwise of the file. */
  readonly warnings: readonly string[];
  /** `general.*` and the architecture's own keys; the vocabulary is not among them. */
  readonly metadata: GgufMetadata;
  readonly tensors: readonly ExportTensor[];
}

export interface GgufExportOptions extends ReadOptions {
  readonly type: ExportType;
  readonly modelName: string;
  /** Default {@link ARCHITECTURES}. */
  readonly architectures?: readonly Architecture[];
}

/**
 * The GGUF form of a safetensors checkpoint. Of the tensors it reads nothing but biases that the model does not have.
 * @throws FormatError for an unknown architecture and for missing, extra or misshapen tensors.
 */
export async function ggufExport(
  whole: Checkpoint,
  { type, modelName, architectures = ARCHITECTURES, signal }: GgufExportOptions,
): Promise<GgufExport> {
  const checkpoint = textPart(whole);
  const architecture = architectureOf(checkpoint, architectures);
  const config = architecture.parseConfig(checkpoint);
  const warnings = architecture.checkSettings(checkpoint, config);
  const specs = architecture.weights(config);
  bindWeights(checkpoint, specs, [...skipsOf(architecture, config), ...(await zeroBiasSkips(checkpoint, specs, { signal }))]);
  const read = weightReader(withBlocksDecoded(checkpoint));
  const planned = ggufTensors(specs, checkpoint.name);
  const types = tensorTypes(planned, type, config);
  const tensors = planned.map(({ name, shape, from }, i): ExportTensor => ({
    name,
    shape,
    type: types[i] as WeightType,
    from: { ...read(name, from), origin: `${filesOf(checkpoint, from)}: tensor ${printExpression(from)}` },
  }));
  return {
    config,
    warnings: [...warnings, ...(architecture.exportWarnings?.(config) ?? []).map((warning) => `${checkpoint.name}: ${warning}`)],
    metadata: new Map([...generalMetadata(architecture.gguf, type, modelName), ...architecture.metadata(config)]),
    tensors: [...constantTensors(architecture, config), ...tensors],
  };
}

export function generalMetadata(architecture: string, type: ExportType, modelName: string): GgufMetadata {
  return new Map([
    ['general.architecture', string(architecture)],
    ['general.type', string('model')],
    ['general.name', string(modelName)],
    ['general.file_type', uint32(fileTypeNumber(type))],
    ['general.quantization_version', uint32(2)],
  ]);
}

/** What goes into the graph and not to a device is f32. */
export function constantTensors({ exportedConstants }: Architecture, config: DecoderConfig): readonly ConstantExport[] {
  return [...(exportedConstants?.(config) ?? [])].map(([name, from]) => ({ name, type: 'f32', shape: [from.length], from }));
}

export interface ConstantExport extends ExportTensor {
  readonly from: Float32Array;
}
