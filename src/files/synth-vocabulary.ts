/** Vocabularies of real size and with real special tokens for files of random weights; the ordinary tokens are made up. */
import { string, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { madeVocabulary } from './made-vocabulary.ts';
import type { MadeToken } from './made-vocabulary.ts';

export type SynthVocabularyKind = 'chatml' | 'headers' | 'whisper';

interface SpecialTokens {
  readonly pre: string;
  /** Ordinary tokens come before this id. */
  readonly firstId: number;
  readonly control: readonly string[];
  readonly userDefined: readonly string[];
  /** Further control tokens up to this id are reserved ones. */
  readonly reservedUntil?: number;
  readonly eos: string;
  readonly bos?: string;
  readonly pad?: string;
  readonly eot?: string;
  readonly eom?: string;
  /** Absent for a model that has no chats. */
  readonly template?: string;
}

const CHATML: SpecialTokens = {
  pre: 'qwen2',
  firstId: 151_643,
  control: [
    '<|endoftext|>', '<|im_start|>', '<|im_end|>', '<|object_ref_start|>', '<|object_ref_end|>', '<|box_start|>', '<|box_end|>',
    '<|quad_start|>', '<|quad_end|>', '<|vision_start|>', '<|vision_end|>', '<|vision_pad|>', '<|image_pad|>', '<|video_pad|>',
  ],
  userDefined: [
    '<tool_call>', '</tool_call>', '<|fim_prefix|>', '<|fim_middle|>', '<|fim_suffix|>', '<|fim_pad|>', '<|repo_name|>', '<|file_sep|>',
    '<tool_response>', '</tool_response>', '<think>', '</think>',
  ],
  eos: '<|im_end|>',
  bos: '<|endoftext|>',
  pad: '<|endoftext|>',
  template:
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
};

const HEADERS: SpecialTokens = {
  pre: 'llama-bpe',
  firstId: 128_000,
  control: [
    '<|begin_of_text|>', '<|end_of_text|>', '<|reserved_special_token_0|>', '<|reserved_special_token_1|>', '<|finetune_right_pad_id|>',
    '<|reserved_special_token_2|>', '<|start_header_id|>', '<|end_header_id|>', '<|eom_id|>', '<|eot_id|>', '<|python_tag|>',
  ],
  userDefined: [],
  reservedUntil: 128_256,
  eos: '<|eot_id|>',
  bos: '<|begin_of_text|>',
  pad: '<|finetune_right_pad_id|>',
  eot: '<|eot_id|>',
  eom: '<|eom_id|>',
  template:
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + message.content " +
    "+ '<|eot_id|>' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
};

/** Timestamps of Whisper: 0 to 30 s. */
const TIMESTAMPS = 1501;

/** Languages are numbers: how many they are is what the size of the vocabulary says. */
function whisperSpecials(vocabSize: number): SpecialTokens {
  const firstId = 50_257;
  const others = ['translate', 'transcribe', 'startoflm', 'startofprev', 'nospeech', 'notimestamps'];
  const languages = Array.from({ length: vocabSize - firstId - 2 - others.length - TIMESTAMPS }, (_, i) => `language_${i}`);
  const times = Array.from({ length: TIMESTAMPS }, (_, i) => (i / 50).toFixed(2));
  const control = ['endoftext', 'startoftranscript', ...languages, ...others, ...times].map((name) => `<|${name}|>`);
  return { pre: 'gpt-2', firstId, control, userDefined: [], eos: '<|endoftext|>', bos: '<|endoftext|>', pad: '<|endoftext|>' };
}

function specialsOf(kind: SynthVocabularyKind, vocabSize: number): SpecialTokens {
  if (kind === 'whisper') return whisperSpecials(vocabSize);
  return kind === 'chatml' ? CHATML : HEADERS;
}

/** The `tokenizer.*` keys; special tokens have the ids that they have in the models of that kind. */
export function synthVocabulary(kind: SynthVocabularyKind, vocabSize: number): GgufMetadata {
  const special = specialsOf(kind, vocabSize);
  const fixed = new Map<number, MadeToken>();
  const idOf = new Map<string, number>();
  const put = (text: string, control: boolean) => {
    const id = special.firstId + fixed.size;
    fixed.set(id, { text, control });
    idOf.set(text, id);
  };
  for (const text of special.control) put(text, true);
  for (const text of special.userDefined) put(text, false);
  // Two numbers were given out before the gap that the named tokens fill.
  for (let n = 3; special.firstId + fixed.size < (special.reservedUntil ?? 0); n++) put(`<|reserved_special_token_${n}|>`, true);
  const idOfText = (text: string | undefined) => (text === undefined ? undefined : idOf.get(text));
  const metadata = madeVocabulary({
    vocabSize, fixed, ordinaryTokens: special.firstId, pre: special.pre, addBos: kind === 'headers',
    bosId: idOfText(special.bos), eosId: idOfText(special.eos), padId: idOfText(special.pad),
  });
  for (const key of ['eot', 'eom'] as const) {
    const id = idOfText(special[key]);
    if (id !== undefined) metadata.set(`tokenizer.ggml.${key}_token_id`, uint32(id));
  }
  return special.template === undefined ? metadata : metadata.set('tokenizer.chat_template', string(special.template));
}
