/**
 * Weights of an ONNX file (onnx/onnx.proto3: ModelProto, GraphProto, NodeProto, TensorProto): its initialisers, and which nodes read them.
 * The graph is not carried out: names of modules alone are of use, since exporters keep no names of matrices that they transpose.
 */
import { FormatError } from '../tensor/errors.ts';
import { joinBytes } from '../tensor/join-bytes.ts';
import { packedVarints, protobufFields } from './protobuf-reader.ts';
import type { ProtobufField } from './protobuf-reader.ts';

export type OnnxType = 'f32' | 'u8' | 'i8';

export interface OnnxTensor {
  readonly type: OnnxType;
  readonly shape: readonly number[];
  /** Little-endian values, row-major: a view of the file. */
  readonly bytes: Uint8Array;
}

export interface OnnxWeights {
  /** By name; those of other types than {@link OnnxType} (shapes and indices) are left out. */
  readonly tensors: ReadonlyMap<string, OnnxTensor>;
  /** Inputs of each node by its name, those of graphs within a node among them; the first node of a name counts. */
  readonly inputsOf: ReadonlyMap<string, readonly string[]>;
}

/** Numbers of fields. */
const MODEL_GRAPH = 7;
const GRAPH = { node: 1, initializer: 5 } as const;
const NODE = { input: 1, name: 3, attribute: 5 } as const;
const ATTRIBUTE_GRAPH = 6;
const TENSOR = { dims: 1, type: 2, floats: 4, ints: 5, name: 8, raw: 9 } as const;

const TYPES: ReadonlyMap<number, OnnxType> = new Map([[1, 'f32'], [2, 'u8'], [3, 'i8']]);
const BYTES_OF: Readonly<Record<OnnxType, number>> = { f32: 4, u8: 1, i8: 1 };
/** Graphs within graphs; exporters write one. */
const MOST_DEPTH = 4;

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/**
 * @param name of the file, for messages
 * @throws FormatError for what is no ONNX file, and for tensors whose values are not as many as their shape says
 */
export function readOnnxWeights(file: Uint8Array, name: string): OnnxWeights {
  const tensors = new Map<string, OnnxTensor>();
  const inputsOf = new Map<string, readonly string[]>();
  const graphs = [...protobufFields(file, name)].filter(({ number, value }) => number === MODEL_GRAPH && value instanceof Uint8Array);
  if (graphs.length !== 1) throw new FormatError(`${name}: expected an ONNX file with one graph, found ${graphs.length}.`);
  const readGraph = (graph: Uint8Array, depth: number): void => {
    if (depth > MOST_DEPTH) throw new FormatError(`${name}: graphs lie within each other more than ${MOST_DEPTH} deep.`);
    for (const { number, value } of protobufFields(graph, name)) {
      if (!(value instanceof Uint8Array)) continue;
      if (number === GRAPH.node) readNode(value, depth);
      if (number !== GRAPH.initializer) continue;
      const read = readTensor(value, name);
      if (read !== undefined) tensors.set(read.name, read.tensor);
    }
  };
  const readNode = (node: Uint8Array, depth: number): void => {
    const inputs: string[] = [];
    let nodeName = '';
    for (const { number, value } of protobufFields(node, name)) {
      if (!(value instanceof Uint8Array)) continue;
      if (number === NODE.input) inputs.push(textOf(value));
      if (number === NODE.name) nodeName = textOf(value);
      if (number !== NODE.attribute) continue;
      for (const { number: field, value: inner } of protobufFields(value, name))
        if (field === ATTRIBUTE_GRAPH && inner instanceof Uint8Array) readGraph(inner, depth + 1);
    }
    if (!inputsOf.has(nodeName)) inputsOf.set(nodeName, inputs);
  };
  readGraph(graphs[0]!.value as Uint8Array, 0);
  return { tensors, inputsOf };
}

function readTensor(message: Uint8Array, file: string): { readonly name: string; readonly tensor: OnnxTensor } | undefined {
  const fields = [...protobufFields(message, file)];
  const bytesAt = (wanted: number): Uint8Array | undefined =>
    fields.find(({ number, value }) => number === wanted && value instanceof Uint8Array)?.value as Uint8Array | undefined;
  const name = textOf(bytesAt(TENSOR.name) ?? new Uint8Array(0));
  const type = TYPES.get(numbersAt(fields, TENSOR.type, file)[0] ?? 0);
  if (type === undefined) return undefined;
  const shape = numbersAt(fields, TENSOR.dims, file);
  const count = shape.reduce((product, size) => product * size, 1);
  const bytes = bytesAt(TENSOR.raw) ?? typedBytes(type, { fields, file });
  if (!Number.isSafeInteger(count) || bytes.length !== count * BYTES_OF[type]) {
    throw new FormatError(
      `${file}: ${JSON.stringify(name.slice(0, 100))} [${shape.join(', ')}] of ${type} should have ${count * BYTES_OF[type]} bytes, ` +
        `found ${bytes.length}. The file is damaged, or keeps weights in another file, which is not read.`,
    );
  }
  return { name, tensor: { type, shape, bytes } };
}

/** Values of a field of whole numbers, packed or one by one. */
function numbersAt(fields: readonly ProtobufField[], wanted: number, file: string): number[] {
  return fields.filter(({ number }) => number === wanted)
    .flatMap(({ value }) => (value instanceof Uint8Array ? packedVarints(value, file) : [value])).map(Number);
}

/** Values that lie in a list of their type and not as bytes. */
function typedBytes(type: OnnxType, { fields, file }: { readonly fields: readonly ProtobufField[]; readonly file: string }): Uint8Array {
  if (type !== 'f32') return Uint8Array.from(numbersAt(fields, TENSOR.ints, file), (value) => value & 255);
  return joinBytes(
    fields.filter(({ number, value }) => number === TENSOR.floats && value instanceof Uint8Array).map(({ value }) => value as Uint8Array),
  );
}
