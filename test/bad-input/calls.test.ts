/** What callers pass to a loaded model: each call fails by itself and leaves the model as it was. */
import { join } from 'node:path';
import { describeRefusals, devices, goldenPath, temporaryFolder } from './refusals.ts';
import type { BadCase, ErrorName } from './refusals.ts';
import { tinyModel } from './tiny-model.ts';

const folder = temporaryFolder();
/** With a tokenizer, a chat template and a context of 128 tokens. */
const tinyPath = folder.write('tiny.gguf', tinyModel());

type Entry = readonly [name: string, request: object | null | undefined, message: RegExp, error?: ErrorName];

const generateCase = ([name, request, message, error = 'InputError']: Entry): BadCase => ({
  name, action: 'generate', args: { path: tinyPath, request }, error, message,
});

const manyIds = Array.from({ length: 129 }, () => 1);
const messages = [{ role: 'user', content: 'a' }];

const prompts: readonly Entry[] = [
  ['nothing to continue', {}, /exactly one of prompt, ids, segments and messages; found none/],
  ['two things to continue', { prompt: 'a', ids: [1] }, /found prompt and ids/],
  ['no options', undefined, /takes an object of options, found undefined/],
  ['options of null', null, /takes an object of options, found null/],
  ['an empty prompt', { prompt: '' }, /prompt is empty/],
  ['a prompt that is a number', { prompt: 3 }, /prompt must be a string, found number/],
  ['an empty list of ids', { ids: [] }, /token ids is empty/],
  ['no messages', { messages: [] }, /messages is empty/],
  ['a message without a role', { messages: [{ content: 'a' }] }, /messages\[0\] has no role/],
  ['a message that is null', { messages: [null] }, /messages\[0\]/],
  ['a message with a number for content', { messages: [{ role: 'user', content: 3 }] }, /content of type number/],
  ['messages that render to nothing', { messages: [{ role: 'user', content: '' }] }, /empty/],
  ['a prompt longer than the context', { prompt: 'ab '.repeat(200) }, /exceeds the context of 128 tokens/, 'CapacityError'],
  ['a prompt of 20 million characters', { prompt: 'ab '.repeat(7_000_000) }, /exceeds the context of 128 tokens/, 'CapacityError'],
  [
    'a prompt of 20 million characters in one word', { prompt: 'ab'.repeat(10_000_000) },
    /exceeds the context of 128 tokens/, 'CapacityError',
  ],
  [
    'messages of 20 million characters', { messages: [{ role: 'user', content: 'ab '.repeat(7_000_000) }] },
    /exceeds the context of 128 tokens/, 'CapacityError',
  ],
  [
    'messages of 20 million characters that may slide',
    { messages: [{ role: 'user', content: 'ab '.repeat(7_000_000) }], contextPolicy: 'slide' },
    /the last turn alone are far more tokens than it holds/, 'CapacityError',
  ],
  ['ids longer than the context', { ids: manyIds }, /sequence of 129 tokens exceeds the context of 128/, 'CapacityError'],
  ['a hundred million ids', { ids: { length: 100_000_000 } }, /sequence of 100000000 tokens exceeds/, 'CapacityError'],
  ['a prompt that fills the context', { ids: manyIds.slice(1) }, /leaves no room for an answer/, 'CapacityError'],
  ['an answer that does not fit', { ids: [1, 2], maxTokens: 127 }, /maxTokens 127 together exceed it by 1/, 'CapacityError'],
];

const ids: readonly Entry[] = [
  ['an id past the vocabulary', { ids: [1, 9999] }, /integers from 0 to 262.*found 9999 at index 1/],
  ['a negative id', { ids: [-1] }, /found -1 at index 0/],
  ['half an id', { ids: [0.5] }, /found 0\.5 at index 0/],
  ['an id of NaN', { ids: [NaN] }, /found NaN at index 0/],
  ['an id of 2^32', { ids: [2 ** 32] }, /found 4294967296/],
  ['an id that is a text', { ids: ['1'] }, /found 1 at index 0/],
  ['a hole in the ids', { ids: [1, undefined, 2] }, /at index 1/],
  ['ids of no length', { ids: {} }, /must be an array of token ids/],
  ['ids of a negative length', { ids: { length: -1 } }, /ids/],
];

const numbers: readonly Entry[] = (
  [
    ['temperature', [-1, NaN, Infinity, '0.5', null]],
    ['topK', [-1, NaN, 1.5, Infinity]],
    ['topP', [-0.1, 0, 1.1, NaN]],
    ['minP', [-0.1, 1.1, NaN]],
    ['repetitionPenalty', [-1, 0, NaN, Infinity]],
    ['presencePenalty', [-2.1, 2.1, NaN]],
    ['frequencyPenalty', [-2.1, 2.1, NaN]],
    ['seed', [-1, NaN, 0.5, 2 ** 53]],
    ['maxTokens', [0, -1, NaN, 1.5, Infinity, '3']],
    ['logprobs', [-1, 21, NaN, 'yes', null]],
    ['stop', ['', 3, ['a', ''], [3], null, {}]],
    ['ignoreEos', ['yes', 1, null]],
    ['contextPolicy', ['drop', true, null]],
    ['signal', [1, {}, 'x', null]],
    ['onProgress', [1, {}, null]],
  ] as const
).flatMap(([name, values]) =>
  values.map((value): Entry => [
    `${name} of ${JSON.stringify(value)} (${String(value)})`,
    { ids: [1], [name]: value },
    new RegExp(`^${name} must be`),
  ]),
);

const names: readonly Entry[] = [
  ['a misspelt temperature', { ids: [1], temprature: 0 }, /generate has no option "temprature"\. Did you mean temperature\?/],
  ['max_tokens', { ids: [1], max_tokens: 3 }, /no option "max_tokens"\. Did you mean maxTokens\?/],
  ['an option of another call', { ids: [1], system: 'x' }, /no option "system"/],
  ['tools with a prompt', { prompt: 'a', tools: [] }, /tools would go to the chat template, which prompt does not pass through/],
  ['thinking with ids', { ids: [1], reasoning: false }, /reasoning would go to the chat template, which ids does not/],
  [
    'a slide with a prompt', { prompt: 'a', contextPolicy: 'slide' },
    /contextPolicy "slide" leaves out turns of messages, and prompt has none/,
  ],
  ['a slide with ids', { ids: [1], contextPolicy: 'slide' }, /and ids has none/],
  ['tools that are no list', { messages, tools: { name: 'f' } }, /tools must be an array.*found an object/],
  ['a tool that is a text', { messages, tools: ['f'] }, /tools\[0\] must be an object.*found string "f"/],
  ['tools that the template does not read', { messages, tools: [{ name: 'f' }] }, /tools would not be seen/],
  ['reasoning that is a text', { messages, reasoning: 'no' }, /reasoning must be true, false or { budgetTokens }, found string "no"/],
  ['thinking that the template has no switch for', { messages, reasoning: true }, /reasoning true would not be obeyed/],
  ['template variables that are a text', { messages, templateVariables: 'x' }, /templateVariables must be an object/],
  [
    'template variables that the template does not read', { messages, templateVariables: { style: 'short' } },
    /templateVariables\.style would not be seen/,
  ],
  ['messages among the template variables', { messages, templateVariables: { messages: [] } }, /templateVariables may not hold messages/],
  ['two words on thinking', { messages, reasoning: true, templateVariables: { enable_thinking: false } }, /contradict each other/],
  [
    'tool calls that are no list', { messages: [{ role: 'assistant', content: null, tool_calls: 'f' }] },
    /messages\[0\]\.tool_calls must be an array/,
  ],
  [
    'reasoning that is a number', { messages: [{ role: 'assistant', content: 'a', reasoning_content: 3 }] },
    /reasoning_content must be a string/,
  ],
  ['messages that are a text', { messages: 'hello' }, /messages must be an array, found string "hello"/],
  ['template variables with a prompt', { prompt: 'a', templateVariables: {} }, /templateVariables would go/],
];

const others: readonly BadCase[] = [
  { name: 'forward: no ids', action: 'forward', args: { path: tinyPath, ids: [] }, error: 'InputError', message: /empty/ },
  {
    name: 'forward: an id past the vocabulary', action: 'forward', args: { path: tinyPath, ids: [9999] },
    error: 'InputError', message: /found 9999/,
  },
  {
    name: 'forward: too many ids', action: 'forward', args: { path: tinyPath, ids: manyIds }, error: 'CapacityError',
    message: /exceeds the context/,
  },
  {
    name: 'forward: a position past the end', action: 'forward',
    args: { path: tinyPath, ids: [1, 2], pass: { positions: [2] } }, error: 'InputError',
    message: /ascending integers from 0 to 1, found 2/,
  },
  {
    name: 'forward: positions of NaN', action: 'forward',
    args: { path: tinyPath, ids: [1, 2], pass: { positions: [NaN] } }, error: 'InputError', message: /found NaN/,
  },
  {
    name: 'forward: a layer past the last', action: 'forward',
    args: { path: tinyPath, ids: [1], pass: { hidden: [9] } }, error: 'InputError', message: /from 0 to 1, found 9/,
  },
  {
    name: 'forward: a misspelt option', action: 'forward', args: { path: tinyPath, ids: [1], pass: { position: [0] } },
    error: 'InputError', message: /Did you mean positions\?/,
  },
  {
    name: 'forward: positions that are a number', action: 'forward',
    args: { path: tinyPath, ids: [1], pass: { positions: 0 } }, error: 'InputError',
    message: /positions must be an array of integers, found number 0/,
  },
  {
    name: 'forward: a layer that is no list', action: 'forward',
    args: { path: tinyPath, ids: [1], pass: { hidden: 1 } }, error: 'InputError',
    message: /hidden must be an array of layers, found number 1/,
  },
  {
    name: 'forward: a signal that is none', action: 'forward',
    args: { path: tinyPath, ids: [1], pass: { signal: true } }, error: 'InputError',
    message: /signal must be an AbortSignal, found boolean true/,
  },
  {
    name: 'chat: tools that the template does not read', action: 'chat',
    args: { path: tinyPath, chat: { tools: [{ name: 'f' }] }, message: 'a' }, error: 'InputError',
    message: /tools would not be seen/,
  },
  {
    name: 'chat: another policy', action: 'chat',
    args: { path: tinyPath, chat: { contextPolicy: 'truncate' }, message: 'a' }, error: 'InputError',
    message: /contextPolicy must be "error" or "slide", found string "truncate"/,
  },
  {
    name: 'chat: a signal that is none', action: 'chat', args: { path: tinyPath, message: 'a', send: { signal: 5 } },
    error: 'InputError', message: /signal must be an AbortSignal, found number 5/,
  },
  {
    name: 'chat: options of a turn that are null', action: 'chat', args: { path: tinyPath, message: 'a', send: null },
    error: 'InputError', message: /send takes an object of options, found null/,
  },
  {
    name: 'chat: variables of a turn that are a text', action: 'chat',
    args: { path: tinyPath, message: 'a', send: { templateVariables: 'ab' } }, error: 'InputError',
    message: /templateVariables must be an object/,
  },
  {
    name: 'tokenizer: a misspelt option', action: 'tokenizer', args: { path: tinyPath, read: { sginal: 1 } },
    error: 'InputError', message: /loadTokenizer has no option "sginal"\. Did you mean signal\?/,
  },
  {
    name: 'tokenizer: a signal that is none', action: 'tokenizer', args: { path: tinyPath, read: { signal: 1 } },
    error: 'InputError', message: /signal must be an AbortSignal/,
  },
  {
    name: 'tokenizer: a number for a path', action: 'tokenizer', args: { path: 3 }, error: 'InputError',
    message: /loadTokenizer takes a path or URL.*found number 3/,
  },
  {
    name: 'tokenizer: a text that is a number', action: 'encode', args: { path: tinyPath, text: 3 },
    error: 'InputError', message: /encode takes a string, found number 3/,
  },
  {
    name: 'tokenizer: a misspelt option of encode', action: 'encode',
    args: { path: tinyPath, text: 'a', encode: { add_special_tokens: true } }, error: 'InputError',
    message: /encode has no option "add_special_tokens"\. Did you mean addSpecial\?/,
  },
  {
    name: 'tokenizer: an option of encode that is no switch', action: 'encode',
    args: { path: tinyPath, text: 'a', encode: { addSpecial: 1 } }, error: 'InputError',
    message: /addSpecial must be true or false, found number 1/,
  },
  {
    name: 'tokenizer: a misspelt option of decode', action: 'decode',
    args: { path: tinyPath, ids: [1], decode: { skipSpecials: true } }, error: 'InputError',
    message: /decode has no option "skipSpecials"\. Did you mean skipSpecial\?/,
  },
  { name: 'chat: an empty message', action: 'chat', args: { path: tinyPath, message: '' }, error: 'InputError', message: /empty/ },
  {
    name: 'chat: a misspelt option', action: 'chat', args: { path: tinyPath, chat: { sytem: 'x' }, message: 'a' },
    error: 'InputError', message: /createChat has no option "sytem"\. Did you mean system\?/,
  },
  {
    name: 'chat: a misspelt option of a turn', action: 'chat',
    args: { path: tinyPath, message: 'a', send: { topp: 1 } }, error: 'InputError',
    message: /send has no option "topp"\. Did you mean topP or topK/,
  },
  {
    name: 'chat: a system message that is a number', action: 'chat',
    args: { path: tinyPath, chat: { system: 3 }, message: 'a' }, error: 'InputError',
    message: /system must be a string, found number/,
  },
  {
    name: 'chat: a message longer than the context', action: 'chat',
    args: { path: tinyPath, message: 'b '.repeat(300) }, error: 'CapacityError', message: /exceeds the context of 128/,
  },
  {
    name: 'messages to a model without a tokenizer', action: 'generate',
    args: { path: goldenPath, request: { messages } }, error: 'InputError', message: /no tokenizer.*pass ids/,
  },
  {
    name: 'a prompt to a model without a tokenizer', action: 'generate',
    args: { path: goldenPath, request: { prompt: 'a' } }, error: 'InputError', message: /no tokenizer.*pass ids/,
  },
  {
    name: 'a stop text without a tokenizer', action: 'generate',
    args: { path: goldenPath, request: { ids: [1], stop: 'a' } }, error: 'InputError', message: /no tokenizer/,
  },
];

const loading: readonly BadCase[] = [
  ['a context of 0', { contextLength: 0 }, /contextLength must be an integer from 1/],
  ['a context of NaN', { contextLength: NaN }, /contextLength must be an integer from 1/],
  ["a context past the model's", { contextLength: 129 }, /contextLength must be an integer from 1 to the model's 128, found 129/],
  ['a context in quotes', { contextLength: '128' }, /contextLength must be an integer from 1 to the model's 128, found string "128"/],
  ['threads in quotes', { threads: '2' }, /threads must be an integer from 1 to 256, found string "2"/],
  ['threads of NaN', { threads: NaN }, /threads must be an integer/],
  ['a million threads', { threads: 1_000_000 }, /threads must be an integer from 1 to 256/],
  ['an unknown device', { device: 'npu' }, /device must be auto, gpu, gpu:N, /],
  ['an unknown type of keys and values', { kvType: 'q4_0' }, /kvType must be/],
  ['a misspelt option', { contextlength: 5 }, /loadModel has no option "contextlength"\. Did you mean contextLength\?/],
  ['threads beside a software GPU', { device: 'software', threads: 2 }, /threads 2 is for the CPU device, and device is "software"/],
  ['threads beside the reference', { device: 'reference', threads: 2 }, /threads 2 is for the CPU device, and device is "reference"/],
  ['threads beside a GPU', { device: 'gpu', threads: 2 }, /threads 2 is for the CPU device, and device is "gpu"/],
  ['a signal that is none', { signal: 'now' }, /signal must be an AbortSignal, found string "now"/],
  ['a listener that is none', { onProgress: {} }, /onProgress must be a function, found an object/],
  ['options that are a text', 'cpu', /loadModel takes an object of options, found string "cpu"/],
].map(([name, options, message]) => ({
  name: `loading: ${name as string}`,
  action: 'load',
  args: { path: tinyPath, options },
  error: 'InputError',
  message: message as RegExp,
}));

/** Both devices check the same way, but what follows a refused call runs on the device. */
for (const device of devices) {
  describeRefusals('calls on a model', device, () => [
    ...[...prompts, ...ids, ...numbers, ...names].map(generateCase), ...others, ...loading,
  ]);
}
describeRefusals('a model that is no string', 'cpu', () =>
  [3, null, undefined, {}, ''].map((path) => ({
    name: `loading ${JSON.stringify(path)}`,
    action: 'load',
    args: { path },
    error: 'InputError',
    message: /path or URL/,
  })),
);
describeRefusals('folders', 'reference', () => [
  {
    name: 'a file of a folder that is no model', action: 'load', args: { path: join(goldenPath, 'golden.json') },
    error: 'FormatError', message: /not a model file/,
  },
]);
