/**
 * GGUF files of goldens as llama.cpp's own convert_hf_to_gguf.py wrote them (scripts/fixtures/llama_gguf.py): kept as copies of pieces of
 * the golden's safetensors and what is in neither, put together here and checked against the SHA-256 of what was written.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixturesPath } from './fixture-tensors.ts';

/** Bytes from an offset of one of the golden's files, or base64 of bytes of their own. */
type Piece = string | readonly [file: string, from: number, length: number];

interface DescribedFile {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly pieces: readonly Piece[];
  readonly changes?: LlamaGguf['changes'];
  readonly logits?: string;
  readonly embedding?: string;
}

export interface LlamaGguf {
  readonly bytes: Uint8Array;
  /** Keys of config.json in place of the golden's: none where the form says all that the golden has. */
  readonly changes: Readonly<Record<string, unknown>>;
  /** Of a golden with changes: what transformers computes with them of the prompt `mid`. */
  readonly expected: { readonly logits?: Float32Array | undefined; readonly embedding?: Float32Array | undefined };
}

function floats(base64: string | undefined): Float32Array | undefined {
  return base64 === undefined ? undefined : new Float32Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer);
}

/** The file that llama.cpp's script wrote for the golden in `folder`, byte by byte, and what is expected of it. */
export function llamaGguf(name: string, folder: string): LlamaGguf {
  const path = join(fixturesPath, 'llama-gguf', `${name}.json`);
  const { sizeBytes, sha256, pieces, changes = {}, logits, embedding } = JSON.parse(readFileSync(path, 'utf8')) as DescribedFile;
  const sources = new Map<string, Buffer>();
  const bytesOf = (piece: Piece): Uint8Array => {
    if (typeof piece === 'string') return Buffer.from(piece, 'base64');
    const [file, from, length] = piece;
    const source = sources.get(file) ?? readFileSync(join(folder, file));
    sources.set(file, source);
    return source.subarray(from, from + length);
  };
  const bytes = Buffer.concat(pieces.map(bytesOf));
  if (bytes.length !== sizeBytes || createHash('sha256').update(bytes).digest('hex') !== sha256) {
    throw new Error(`${path} was made of another golden than ${folder}`);
  }
  return { bytes, changes, expected: { logits: floats(logits), embedding: floats(embedding) } };
}
