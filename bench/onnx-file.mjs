// As much of ONNX's protocol buffers as bench/onnx-folder.mjs writes (onnx.proto: field numbers and types are from there).

export const [FLOAT, UINT8, INT32, INT64] = [1, 2, 6, 7];
const [VARINT, BYTES, FIXED32] = [0, 2, 5];

function varint(value) {
  const bytes = [];
  let left = BigInt.asUintN(64, BigInt(value));
  do {
    bytes.push(Number(left & 127n) | (left > 127n ? 128 : 0));
    left >>= 7n;
  } while (left > 0n);
  return Buffer.from(bytes);
}

const key = (field, wire) => varint(field * 8 + wire);
const integer = (field, value) => Buffer.concat([key(field, VARINT), varint(value)]);
/** A text, bytes, or a message. */
const bytes = (field, value) => {
  const content = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([key(field, BYTES), varint(content.length), content]);
};
const message = (...parts) => Buffer.concat(parts.flat());

export function tensor(name, type, shape, data) {
  return message(shape.map((size) => integer(1, size)), integer(2, type), bytes(8, name), bytes(9, data));
}

/** An integer, `{ f }`: a float, or `{ s }`: a text. */
function attribute(name, value) {
  if (value.s !== undefined) return message(bytes(1, name), bytes(4, value.s), integer(20, 3));
  if (typeof value === 'number') return message(bytes(1, name), integer(3, value), integer(20, 2));
  const float = Buffer.alloc(4);
  float.writeFloatLE(value.f);
  return message(bytes(1, name), key(2, FIXED32), float, integer(20, 1));
}

export function nodeOf(kind, inputs, outputs, attributes = {}, domain = '') {
  return message(
    inputs.map((name) => bytes(1, name)), outputs.map((name) => bytes(2, name)), bytes(3, outputs[0]), bytes(4, kind),
    Object.entries(attributes).map(([name, value]) => bytes(5, attribute(name, value))), bytes(7, domain),
  );
}

/** Of a graph; an output has the same form. A size is a number or a name. */
export function input(name, type, shape) {
  const sizes = shape.map((size) => bytes(1, typeof size === 'number' ? integer(1, size) : bytes(2, size)));
  return message(bytes(1, name), bytes(2, bytes(1, message(integer(1, type), bytes(2, message(sizes))))));
}

export function modelFile({ nodes, initializers, inputs, outputs }) {
  const graph = message(
    nodes.map((one) => bytes(1, one)), bytes(2, 'decoder'), initializers.map((one) => bytes(5, one)),
    inputs.map((one) => bytes(11, one)), outputs.map((one) => bytes(12, one)),
  );
  const set = (domain, version) => bytes(8, message(bytes(1, domain), integer(2, version)));
  return message(integer(1, 10), set('', 21), set('com.microsoft', 1), bytes(7, graph));
}
