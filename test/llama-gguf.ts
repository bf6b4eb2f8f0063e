/**
 * GGUF files of goldens as llama.cpp's own convert_hf_to_gguf.py wrote them (scripts/fixtures/llama_gguf.py): kept as copies of pieces of
 * the golden's safetensors and what is in neither, put together here and checked against the SHA-256 of what was written.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixturesPath } from './fixture-tensors.ts';

/** Bytes from an offset of one of the golden's files, `transposed:` in front of its name or not, or base64 of bytes of their own. */
type Piece = string | readonly [file: string, from: number, length: number];

interface DescribedFile {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly pieces: readonly Piece[];
  readonly changes?: LlamaGguf['changes'];
  readonly layers?: readonly number[];
  readonly logits?: string;
  readonly embedding?: string;
}

export interface LlamaGguf {
  readonly bytes: Uint8Array;
  /** Keys of config.json in place of the golden's: none where the form says all that the golden has. */
  readonly changes: Readonly<Record<string, unknown>>;
  /** The numbers of the golden's layers that it is made of, where they are not all of them in turn. */
  readonly layers: readonly number[] | undefined;
  /** Of a golden with changes: what transformers computes with them of the prompt `mid`. */
  readonly expected: { readonly logits?: Float32Array | undefined; readonly embedding?: Float32Array | undefined };
}

function floats(base64: string | undefined): Float32Array | undefined {
  return base64 === undefined ? undefined : new Float32Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer);
}

/** A safetensors file of f32 with the matrices of its tensors of three dims transposed: [n, rows, columns] as [n, columns, rows]. */
function transposed(file: Buffer): Buffer {
  const size = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + size)) as Record<string, { shape?: number[]; data_offsets?: [number, number] }>;
  const made = Buffer.from(file);
  for (const { shape, data_offsets: [offset] = [0, 0] } of Object.values(header)) {
    if (shape?.length !== 3) continue;
    const [count, rows, columns] = shape as [number, number, number];
    const at = (index: number) => 8 + size + offset + 4 * index;
    for (let n = 0; n < count * rows * columns; n++) {
      const [matrix, row, column] = [Math.floor(n / (rows * columns)), Math.floor(n / columns) % rows, n % columns];
      file.copy(made, at((matrix * columns + column) * rows + row), at(n), at(n + 1));
    }
  }
  return made;
}

/** The file that llama.cpp's script wrote for the golden in `folder`, byte by byte, and what is expected of it. */
export function llamaGguf(name: string, folder: string): LlamaGguf {
  const path = join(fixturesPath, 'llama-gguf', `${name}.json`);
  const { sizeBytes, sha256, pieces, changes = {}, layers, logits, embedding } = JSON.parse(readFileSync(path, 'utf8')) as DescribedFile;
  const sources = new Map<string, Buffer>();
  const bytesOf = (piece: Piece): Uint8Array => {
    if (typeof piece === 'string') return Buffer.from(piece, 'base64');
    const [file, from, length] = piece;
    const own = file.replace(/^transposed:/, '');
    const source = sources.get(file) ?? (own === file ? readFileSync(join(folder, own)) : transposed(readFileSync(join(folder, own))));
    sources.set(file, source);
    return source.subarray(from, from + length);
  };
  const bytes = Buffer.concat(pieces.map(bytesOf));
  if (bytes.length !== sizeBytes || createHash('sha256').update(bytes).digest('hex') !== sha256) {
    throw new Error(`${path} was made of another golden than ${folder}`);
  }
  return { bytes, changes, layers, expected: { logits: floats(logits), embedding: floats(embedding) } };
}
