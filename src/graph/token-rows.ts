/** Rows of a table that the host reads from the model's file, a step at a time. */
import type { ReadOptions } from '../tensor/byte-source.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { FormatError } from '../tensor/errors.ts';
import type { WeightSource } from './executor.ts';

/** Rows that are read at a time: a file far away answers many requests as fast as one. */
const READS_AT_ONCE = 32;

/**
 * The rows of a table [tokens, width] that tokens have, each read once: [rows, width].
 * What is no token has zeros, as whoever checks the run refuses it.
 * @throws FormatError where a row holds NaN or infinity; what the source's `read` throws; the signal's reason when it aborts
 */
export async function readTokenRows(table: WeightSource, tokens: ArrayLike<number>, options: ReadOptions = {}): Promise<Float32Array> {
  const [count, width] = table.shape as readonly [number, number];
  const rowBytes = table.sizeBytes / count;
  const rows = new Map<number, Float32Array>();
  const wanted = [...new Set(Array.from(tokens))].filter((token) => Number.isInteger(token) && token >= 0 && token < count);
  for (let from = 0; from < wanted.length; from += READS_AT_ONCE) {
    options.signal?.throwIfAborted();
    await Promise.all(wanted.slice(from, from + READS_AT_ONCE).map(async (token) => {
      const bytes = new Uint8Array(rowBytes);
      await table.read(token * rowBytes, bytes, options);
      const values = new Float32Array(width);
      decodeRows(table.type, bytes, values);
      const bad = values.find((value) => !Number.isFinite(value));
      if (bad !== undefined) throw new FormatError(`${table.origin}: expected finite numbers, found ${bad} in the row of token ${token}.`);
      rows.set(token, values);
    }));
  }
  options.signal?.throwIfAborted();
  const all = new Float32Array(tokens.length * width);
  for (let i = 0; i < tokens.length; i++) {
    const row = rows.get(tokens[i] as number);
    if (row !== undefined) all.set(row, i * width);
  }
  return all;
}
