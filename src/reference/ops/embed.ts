import type { EmbedOp } from '../../graph/ops/embed.ts';
import { decodeRows } from '../../tensor/codec/decode-rows.ts';
import type { RunOp } from '../op-run.ts';

export const runEmbed: RunOp<EmbedOp> = (op, [tokens], run) => {
  const { source, bytes } = run.weight(op.weight.id);
  const [rows, cols] = source.shape as [number, number];
  const rowBytes = bytes.length / rows;
  const row = new Float32Array(cols);
  const ids = run.ints(tokens);
  const out = new Float64Array(ids.length * cols);
  ids.forEach((token, i) => {
    decodeRows(source.type, bytes.subarray(token * rowBytes, (token + 1) * rowBytes), row);
    out.set(Float64Array.from(row, (value) => value * op.scale), i * cols);
  });
  return out;
};
