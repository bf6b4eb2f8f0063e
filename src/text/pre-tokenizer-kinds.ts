/**
 * How a vocabulary wants text cut into words before merging: the kinds that `tokenizer.ggml.pre` of a GGUF names.
 * The patterns are facts of the vocabularies, in the form that llama.cpp reads them; names that share a row there
 * share one here.
 */
export interface PreTokenizerKind {
  /** Applied in turn, each inside the pieces that the one before left. */
  readonly steps: readonly SplitStep[];
  /** A word that is a token whole is not merged piece by piece. */
  readonly ignoreMerges?: boolean;
  /** Whether BOS is added when the file does not say. */
  readonly addBos?: boolean;
  /** BOS is added whatever the file says. */
  readonly forceBos?: boolean;
  /** Tokens are UTF-8 with U+2581 for spaces and <0xXX> for bytes, not the byte alphabet. */
  readonly rawUtf8?: boolean;
  /** A run of line breaks that is a token whole is not merged piece by piece. */
  readonly wholeNewlines?: boolean;
}

/** A pattern, or a rule that a pattern could state only in quadratic time. */
export type SplitStep = string | { readonly rule: SplitRule };

/** Digits in groups of three from the right (two notions of digit), and white space at the end of a piece. */
type SplitRule = 'groupNumbers' | 'groupAsciiDigits' | 'trailingWhitespace';

const groupNumbers = { rule: 'groupNumbers' } as const;
const groupAsciiDigits = { rule: 'groupAsciiDigits' } as const;
const trailingWhitespace = { rule: 'trailingWhitespace' } as const;

const contraction = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const lowerContraction = "'s|'t|'re|'ve|'m|'ll|'d";
const word = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const spaces = '\\s+(?!\\S)|\\s+';
const symbolsThenSpaces = ` ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|${spaces}`;
const gpt2 = `${lowerContraction}| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|${spaces}`;
const llama3 = `${contraction}|${word}|\\p{N}{1,3}|${symbolsThenSpaces}`;
const qwen2 = `${contraction}|${word}|\\p{N}|${symbolsThenSpaces}`;
const asciiPunctuation = '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]';
const deepseekWords =
  `${asciiPunctuation}[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|` +
  `\\s*[\\r\\n]+|${spaces}`;
const bloom = ' ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+';
const lines = '[^\\n]+|[\\n]+';
const whitespaceHalves =
  '\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|' +
  '\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}';

/** Words in which capitals may only lead: upper and lower are sets of characters, `tail` may follow a word. */
function casedWords(upper: string, lower: string, tail: string): string {
  const lead = '[^\\r\\n\\p{L}\\p{N}]?';
  return `${lead}${upper}*${lower}+${tail}|${lead}${upper}+${lower}*${tail}`;
}

const slashSymbols = ` ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|${spaces}`;
const optionalContraction = `${contraction}?`;
const anyLetterOrMark = '[\\p{L}\\p{M}]';

/** A character class from hexadecimal code points and ranges of them. */
function charsOf(ranges: string): string {
  return ranges.replace(/[0-9a-f]+/g, (hex) => String.fromCodePoint(Number.parseInt(hex, 16))).replaceAll(' ', '');
}

const casedLetters = charsOf(
  '41-5a 61-7a b5 c0-d6 d8-f6 f8-1ba 1bc-1bf 1c4-293 295-2af 370-373 376 377 37b-37d 37f 386 388-38a 38c 38e-3a1 ' +
    '3a3-3f5 3f7-481 48a-52f 531-556 10a0-10c5 13a0-13f5 13f8-13fd 1c90-1cba 1cbd-1cbf 1d00-1d2b 1d6b-1d77 1d79-1d9a ' +
    '1e00-1f15 1f18-1f1d 1f20-1f45 1f48-1f4d 1f50-1f57 1f59 1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fbc 1fbe 1fc2-1fc4 ' +
    '1fc6-1fcc 1fd0-1fd3 1fd6-1fdb 1fe0-1fec 1ff2-1ff4 1ff6-1ffc 2102 2107 210a-2113 2115 2119-211d 2124 2126 2128 ' +
    '212a-212d 212f-2134 2139 213c-213f 2145-2149 214e 2183 2184 2c00-2c7b 2c7e-2ce4 2ceb-2cee 2cf2 2cf3 a640-a66d ' +
    'a680-a69b a722-a76f a771-a787 a78b-a78e ab70-abbf fb00-fb06 fb13-fb17 ff21-ff3a ff41-ff5a 10400-1044f ' +
    '104b0-104d3 104d8-104fb 10c80-10cb2 10cc0-10cf2 118a0-118df 1e900-1e943',
);
const widePunctuation = charsOf('21-2f 3a-7e ff01-ff0f ff1a-ff5e 2018-201f 3000-3002');
const cjk = `[${charsOf('4e00-9fa5 3040-309f 30a0-30ff')}]+`;
const cjkAndHangul = `[${charsOf('4e00-9fa5 800-4e00 ac00-d7ff')}]+`;
const asianScripts = `[${charsOf(
  '4e00-9fff 3400-4dbf 8c48-faff 3040-309f 30a0-30ff ff65-ff9f 2f00-2fdf e40-e7f e80-eff 1780-17ff 1000-109f ' +
    'aa60-aa7f a9e0-a9ff ac00-d7af 1100-11ff',
)}]+`;
const cjkRuns =
  `[${charsOf('ac00-d7a3 3131-318e')}]+|[${charsOf('ff01 2026 201c 201d 2018 2019 2014 ff1a ff1b ff0c 3001-303f fe30-fe4f')}]+|` +
  `[${charsOf('3105-312f')}]+|${cjk}`;

const letterNotLower = '[\\p{L}--[a-z]]';
const letterNotUpper = '[\\p{L}--[A-Z]]';
const hanWord = `[^\\r\\n\\p{L}\\p{N}]?[\\p{L}--[\\p{Han}]]+${optionalContraction}`;
const gpt4oTail = `|\\p{N}{1,3}|${slashSymbols}`;

const gpt2Kind: PreTokenizerKind = { steps: [gpt2] };
const qwen2Kind: PreTokenizerKind = { steps: [qwen2] };
const llama3Kind: PreTokenizerKind = { steps: [llama3] };
const digitsThenGpt2: PreTokenizerKind = { steps: ['\\p{N}', gpt2] };
const llama3Whole: PreTokenizerKind = { steps: [llama3], ignoreMerges: true, addBos: true };
const deepseek3: PreTokenizerKind = { steps: ['\\p{N}{1,3}', cjk, deepseekWords] };
const gpt4o: PreTokenizerKind = { steps: [casedWords(letterNotLower, letterNotUpper, optionalContraction) + gpt4oTail] };
const bloomKind: PreTokenizerKind = { steps: [bloom] };
const gemma4: PreTokenizerKind = { steps: [lines], rawUtf8: true, wholeNewlines: true, forceBos: true };
const bailing: PreTokenizerKind = {
  steps: [
    `'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|${word}|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]|${spaces}`,
  ],
};
const tinyAya: PreTokenizerKind = {
  steps: [groupNumbers, casedWords(anyLetterOrMark, anyLetterOrMark, optionalContraction) + gpt4oTail],
};

/** Each row: the names that files use, and what they mean. */
const kindRows: readonly (readonly [string, PreTokenizerKind])[] = [
  [
    'default',
    { steps: ['[\\p{P}\\$\\+<=>\\^~\\|]+', gpt2, '\\p{N}+', '[0-9][0-9][0-9]'] },
  ],
  ['llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano', llama3Whole],
  ['dbrx smaug-bpe glm4 chatglm-bpe', llama3Kind],
  ['jais-2', { steps: [`${contraction}|${word}|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|${whitespaceHalves}`] }],
  [
    'deepseek-llm',
    {
      steps: ['[\\r\\n]', `\\s?[${casedLetters}]+`, `\\s?[${widePunctuation}]+`, trailingWhitespace, cjkAndHangul, '\\p{N}+'],
    },
  ],
  ['deepseek-coder', { steps: ['[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', cjkAndHangul, '\\p{N}'] }],
  ['deepseek-v3 hunyuan-dense hy_v4 joyai-llm', deepseek3],
  [
    'spark2_5',
    {
      steps: [
        '\\p{N}{1,3}',
        cjk,
        `${asciiPunctuation}[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+|[\\r\\n]|${spaces}`,
        '\\p{N}',
      ],
    },
  ],
  [
    'youtu',
    {
      steps: [cjkRuns, `${casedWords(anyLetterOrMark, anyLetterOrMark, optionalContraction)}|\\p{N}|${slashSymbols}`],
      ignoreMerges: true,
    },
  ],
  ['falcon', { steps: ['[\\p{P}\\$\\+<=>\\^~\\|`]+', gpt2, '[0-9][0-9][0-9]'] }],
  ['starcoder refact command-r smollm codeshell exaone minerva-7b mellum2', digitsThenGpt2],
  ['gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert', gpt2Kind],
  ['jina-v1-en jina-v2-code roberta-bpe mpt olmo jais trillion granite-docling exaone4', gpt2Kind],
  ['stablelm2 qwen2 deepseek-r1-qwen kormo f2llmv2 megrez hunyuan solar-open grok-2', qwen2Kind],
  [
    'qwen35',
    {
      steps: [
        `${contraction}|[^\\r\\n\\p{L}\\p{N}]?${anyLetterOrMark}+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|${spaces}`,
      ],
    },
  ],
  ['poro-chat bloom gpt3-finnish', bloomKind],
  ['viking', { steps: [bloom, '\\p{N}'] }],
  [
    'tekken',
    {
      steps: [`${casedWords(letterNotLower, letterNotUpper, '')}|\\p{N}|${slashSymbols}`],
      ignoreMerges: true,
      addBos: true,
    },
  ],
  [
    'chameleon',
    {
      steps: [
        '<sentinel:[0-9]+>',
        '(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z',
        '([\\t\\n]|    |  )',
        '\\p{N}',
        '[\\p{P}!-/:-@\\[-`{-~]',
        gpt2,
      ],
      addBos: true,
    },
  ],
  ['gpt-4o llama4 kanana2 talkie minimax-m2', gpt4o],
  [
    'granite-embed-multi-97m',
    {
      steps: [casedWords('[\\p{L}\\p{M}--[a-z]]', '[\\p{L}\\p{M}--[A-Z]]', optionalContraction) + gpt4oTail],
      ignoreMerges: true,
    },
  ],
  ['tiny_aya cohere2moe', tinyAya],
  ['kimi-k2', { steps: [`\\p{Han}+|${hanWord}|\\p{N}{1,3}|${symbolsThenSpaces}`] }],
  ['superbpe', { steps: ['\\p{N}+', groupAsciiDigits] }],
  ['bailingmoe bailingmoe2 llada-moe', bailing],
  ['seed-coder', { steps: [`${contraction}|${word}|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|${spaces}`] }],
  ['ufakzeka', { steps: [`${word}|\\p{N}|${symbolsThenSpaces}`] }],
  ['afmoe', { steps: [groupNumbers, asianScripts, deepseekWords] }],
  ['laguna', { steps: [lines, qwen2] }],
  [
    'exaone-moe',
    {
      steps: [
        `${contraction}|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|` +
          `\\s*[\\r\\n]|${spaces}`,
      ],
    },
  ],
  ['gemma4 granite-embed-multi-311m', gemma4],
  ['sarvam-moe', { steps: [lines], rawUtf8: true }],
  [
    'minicpm5',
    { steps: ['\\p{N}{1,3}', `${contraction}|${word}|\\p{N}+|${symbolsThenSpaces}`], ignoreMerges: true },
  ],
];

const kinds: ReadonlyMap<string, PreTokenizerKind> = new Map(
  kindRows.flatMap(([names, kind]) => names.split(' ').map((name) => [name, kind] as const)),
);

/** The kind of a `tokenizer.ggml.pre` name, or undefined for a name that is not known. */
export function preTokenizerKind(name: string): PreTokenizerKind | undefined {
  return kinds.get(name);
}

/** All names that {@link preTokenizerKind} knows. */
export function preTokenizerNames(): string[] {
  return [...kinds.keys()];
}
