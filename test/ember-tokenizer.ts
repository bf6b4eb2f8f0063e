import { readFileSync } from 'node:fs';
import { openGguf } from '../src/files/gguf-reader.ts';
import { memoryFolder } from '../src/files/memory-source.ts';
import { ggufTokenizer } from '../src/text/gguf-tokenizer.ts';
import type { Tokenizer } from '../src/text/tokenizer.ts';

/** The tokenizer of the model that comes with the package. */
export async function emberTokenizer(): Promise<Tokenizer> {
  const bytes = new Uint8Array(readFileSync(new URL('../models/ember-21m-q4_0.gguf', import.meta.url)));
  return ggufTokenizer(await openGguf(memoryFolder(new Map([['ember.gguf', bytes]]), 'test'), 'ember.gguf'));
}
