/** Strings that tokenizers get wrong: scripts, emoji, controls, long white space, numbers, look-alikes of special tokens. */

/** A small generator of uniform numbers (mulberry32), so that a failing string can be made again. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const words =
  "the The THE quick brown fox iPhone McDonald don't DON'T I'm we'll They'VE it's 's 'S 'll can't l'été naïve café " +
  'cafe\u0301 e\u0301\u0302x Straße İstanbul ΑΒΓ αβγ Привет привет שלום مرحبا नमस्ते สวัสดี ကမ္ဘာ កម្ពុជា 你好世界 漢字かな カタカナ ｶﾀｶﾅ 한국어 ㄱㄴㄷ ' +
  'ꀀꀁ ጤና ǅungla ªº ſt ﬁ Ⅷ ⅷ';
const numbers = '0 7 42 123 1234 12345 1234567 3.14159 1,000,000 ٣٤٥ १२३४५ ① ² ½ 𝟘𝟙𝟚𝟛 ２０２４ 0x1F 1e-9 万 Ⅻ';
const symbols =
  "! ? . , ; : ' \" ` ~ @ # $ % ^ & * ( ) - _ = + [ ] { } \\ | / < > … — “ ” « » € ₿ © ™ ° ∑ ≠ → ■ ♥ ､ 。 ， ！ ？ ： 「 」 ・ ～ ۔ ، । ׃ ¿ § ¤";
const emoji = '😀 👍🏽 👨‍👩‍👧‍👦 🇫🇷 ❤️ 🏳️‍🌈 🧑🏿‍🚀 ☕ ©️ 1️⃣ 🫠 🪿';
const spaces = [
  ' ', '  ', '   ', '    ', ' '.repeat(9), ' '.repeat(40), '\t', '\t\t', '\n', '\n\n', '\r\n', '\r', '\n \n', ' \n', '\n  ', '\v', '\f',
  '\u00a0', '\u0085', '\u2003', '\u3000', '\u200b', '\ufeff', '\u2028', '\u2029', '\u1680', '\u202f', '\u205f', ' \u00a0 ', '\t \u3000',
];
const controls = [
  '\u0000',
  '\u0001',
  '\u0007',
  '\u001b[0m',
  '\u001c',
  '\u007f',
  '\u0080',
  '\u009f',
  '\ufffd',
  '\ufffe',
  '\ue000',
  '\u{10ffff}',
  '\ud800',
  '\udfff',
];
const marks = ['\u0300', '\u0301\u0327', '\u093f', '\u0e34', '\u064e', '\u20dd', '\ufe0f', '\u200d', '\u{1d165}'];
const lookAlikes = [
  '<|im_start|>',
  '<|im_end|>',
  '<|im_end',
  '|im_end|>',
  '<|endoftext|>',
  '<|eot_id|>',
  '<|begin_of_text|>',
  '<|end_of_text|>',
  '<s>',
  '</s>',
  '<unk>',
  '<pad>',
  '<bos>',
  '<eos>',
  '<think>',
  '</think>',
  '<|',
  '|>',
  '<0x0A>',
  '<0x00>',
  '[PAD151700]',
  '[PAD',
  '<|turn>',
  '<turn|>',
  '<|tool_call>',
  '<|"|>',
  '<|start_header_id|>',
  '<|reserved_special_token_7|>',
  '<mask>',
  '\u2581',
  '\u2581\u2581the',
  '<sentinel:12>',
  'IMGIMGABCZ',
  'unused',
  'Ġ',
  'Ċ',
  '<|im_start|><|im_start|>',
  '< |im_end|>',
];
const lists: readonly (readonly string[])[] = [
  words.split(' '),
  words.split(' '),
  words.split(' '),
  numbers.split(' '),
  symbols.split(' '),
  emoji.split(' '),
  spaces,
  spaces,
  controls,
  marks,
  lookAlikes,
];

/** Code points from anywhere, mostly from the planes in use. */
function randomChar(random: () => number): string {
  const tops = [0x80, 0x250, 0x3000, 0x10000, 0x20000, 0x32000, 0x110000];
  return String.fromCodePoint(Math.floor(random() * tops[Math.floor(random() * tops.length)]!));
}

function randomPart(random: () => number): string {
  const choice = random();
  if (choice < 0.06) return randomChar(random);
  if (choice < 0.09) return randomChar(random).repeat(1 + Math.floor(random() * 30));
  const list = lists[Math.floor(random() * lists.length)]!;
  const part = list[Math.floor(random() * list.length)]!;
  return random() < 0.3 ? `${part} ` : part;
}

/** The strings of a seed: always the same ones. */
export function fuzzTexts(count: number, seed: number): string[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => {
    const parts = 1 + Math.floor(random() ** 2 * 24);
    return Array.from({ length: parts }, () => randomPart(random)).join('');
  });
}
