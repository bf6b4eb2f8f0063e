/** The fields of Metaspace, which is a pre-tokenizer and a decoder, in their newer and older forms. */
import type { JsonFields } from '../../tensor/json-fields.ts';

export interface Metaspace {
  /** The character that stands for a space. */
  readonly replacement: string;
  /** Before which pieces one is put. */
  readonly scheme: 'first' | 'always' | 'never';
  /** Whether pieces end before each of them. */
  readonly split: boolean;
}

export function readMetaspace(fields: JsonFields): Metaspace {
  const replacement = fields.text('replacement');
  if (Array.from(replacement).length !== 1) fields.fail('replacement', 'one character');
  const scheme = fields.oneOf('prepend_scheme', ['first', 'always', 'never'], 'always');
  // Files before 0.15 say it by a flag; tokenizers takes false only beside "never".
  const addsPrefix = fields.flag('add_prefix_space', true);
  if (!addsPrefix && scheme !== 'never' && fields.value('prepend_scheme') !== undefined) {
    fields.fail('add_prefix_space', `true beside prepend_scheme ${scheme}`);
  }
  const split = fields.flag('split', true);
  fields.ignore('str_rep');
  return { replacement, scheme: addsPrefix ? scheme : 'never', split };
}
