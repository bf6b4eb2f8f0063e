import { copyFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sharedPath } from './fixture-tensors.ts';

/** A folder of a golden with a tokenizer: 60 pieces, every third of which begins a word. */
export function parakeetFolder(head: string, others: Readonly<Record<string, object>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-parakeet-'));
  for (const name of ['config.json', 'model.safetensors']) copyFileSync(`${sharedPath}/golden/${head}/${name}`, join(folder, name));
  const pieceOf = (i: number) => `${i % 3 === 0 ? '▁' : ''}${String.fromCodePoint(0x4e00 + i)}`;
  const pieces = Array.from({ length: 61 }, (_, i) => (i === 60 ? '<blank>' : pieceOf(i)));
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
  const tokenizer = {
    version: '1.0', added_tokens: [], normalizer: null, pre_tokenizer: metaspace, post_processor: null, decoder: metaspace,
    model: { type: 'BPE', vocab: Object.fromEntries(pieces.map((piece, i) => [piece, i])), merges: [], unk_token: null },
  };
  const files = { 'tokenizer.json': tokenizer, ...others };
  for (const [name, json] of Object.entries(files)) writeFileSync(join(folder, name), JSON.stringify(json));
  return folder;
}
