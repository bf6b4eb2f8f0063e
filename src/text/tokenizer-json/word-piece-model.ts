/** The WordPiece model of a tokenizer.json: from the left, the longest token each time; a word that does not come out is unknown whole. */
import type { JsonFields } from '../../tensor/json-fields.ts';
import { noUnknownToken, readVocabulary } from './model-vocabulary.ts';
import type { TokenModel } from './model-vocabulary.ts';
import { createPrefixTree } from './prefix-tree.ts';

export function readWordPieceModel(fields: JsonFields): TokenModel {
  const vocabulary = readVocabulary(fields);
  const unknown = fields.text('unk_token');
  const prefix = fields.text('continuing_subword_prefix');
  const maxChars = fields.count('max_input_chars_per_word');
  const { idOf } = vocabulary;
  const unknownId = idOf.get(unknown);
  const tree = createPrefixTree(vocabulary.texts, fields);
  let inner = 0;
  for (let at = 0; at < prefix.length && inner >= 0; at++) inner = tree.step(inner, prefix.charCodeAt(at));
  const pieces = (word: string): number[] | undefined => {
    const ids: number[] = [];
    for (let start = 0; start < word.length; ) {
      let node = start > 0 ? inner : 0;
      let id = -1;
      let end = start;
      for (let at = start; at < word.length && node >= 0; at++) {
        node = tree.step(node, word.charCodeAt(at));
        if (node < 0 || tree.tokenAt(node) < 0) continue;
        id = tree.tokenAt(node);
        end = at + 1;
      }
      if (id < 0) return undefined;
      ids.push(id);
      start = end;
    }
    return ids;
  };
  return {
    type: 'WordPiece',
    vocabulary,
    unknownId,
    encode(word) {
      const isTooLong = word.length > maxChars && Array.from(word).length > maxChars;
      const ids = isTooLong ? undefined : pieces(word);
      return ids ?? [unknownId ?? noUnknownToken(word, unknown)];
    },
  };
}
