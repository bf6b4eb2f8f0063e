/** Texts of a model's special tokens under the names that chat templates have for them. */
import type { Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { jsonAsset } from './tokenizer-from-checkpoint.ts';
import { namedTokens, tokenContent } from './tokenizer-json/tokenizer-settings.ts';
import type { Tokenizer } from './tokenizer.ts';

/** By name: "bos_token", or one of the model's own such as "image_token". */
export type SpecialTokenTexts = Readonly<Record<string, string>>;

const ggufKeys: Readonly<Record<string, string>> = {
  sep_token: 'tokenizer.ggml.seperator_token_id',
  cls_token: 'tokenizer.ggml.cls_token_id',
  mask_token: 'tokenizer.ggml.mask_token_id',
};

/** As transformers has them: every token that tokenizer_config.json names; what that file says nothing of comes from the tokenizer. */
export function specialTokenTexts(checkpoint: Checkpoint, tokenizer: Tokenizer): SpecialTokenTexts {
  const settings: JsonObject = jsonAsset(checkpoint, 'tokenizer_config.json') ?? {};
  const texts: Record<string, string> = {};
  const { bos, eos, unk, pad } = tokenizer.special;
  const ids: [string, unknown][] = [
    ...Object.entries({ bos_token: bos, eos_token: eos, unk_token: unk, pad_token: pad }),
    ...Object.entries(ggufKeys).map(([name, key]): [string, unknown] => [name, checkpoint.metadata.get(key)]),
  ];
  for (const [name, id] of ids) {
    const isToken = typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize;
    if (isToken && settings[name] === undefined) texts[name] = tokenizer.tokenText(id);
  }
  for (const [name, value] of namedTokens(settings)) texts[name] = tokenContent(value)!;
  return texts;
}
