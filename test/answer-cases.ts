/** Answers in every dialect, as models write them, and what they say. Marks in `controls` come as control tokens. */
import type { ToolSignature } from '../src/text/answers/answer-dialect.ts';
import type { JsonObject } from '../src/tensor/checkpoint.ts';

export interface AnswerCase {
  readonly dialect: string;
  readonly name: string;
  readonly text: string;
  readonly promptTail?: string;
  readonly reasoning?: string;
  readonly content?: string;
  /** Name and arguments of the whole calls. */
  readonly calls?: readonly (readonly [name: string, args: JsonObject])[];
  readonly incomplete?: number;
  /** No tools are given. */
  readonly withoutTools?: boolean;
}

const property = (type: string): JsonObject => ({ type });

export const answerTools: readonly ToolSignature[] = [
  {
    name: 'get_weather',
    parameters: {
      type: 'object',
      properties: { city: property('string'), days: property('integer'), exact: property('boolean') },
      required: ['city'],
    },
  },
  {
    name: 'save',
    parameters: {
      type: 'object',
      properties: { text: property('string'), tags: { type: 'array', items: property('string') }, meta: property('object') },
    },
  },
  { name: 'now', parameters: { type: 'object', properties: {} } },
];

/** Marks that are control tokens in the vocabularies of their families. */
export const controlsOf: Readonly<Record<string, readonly string[]>> = {
  gemma4: ['<|tool_call>', '<tool_call|>', '<|channel>', '<channel|>', '<|"|>', '<|tool_response>'],
  lfm2: ['<|tool_call_start|>', '<|tool_call_end|>', '<|im_end|>'],
  mistral: ['[TOOL_CALLS]', '</s>'],
  ministral: ['[TOOL_CALLS]', '[ARGS]', '[CALL_ID]', '[THINK]', '[/THINK]', '</s>'],
  llama3: ['<|python_tag|>', '<|eot_id|>', '<|eom_id|>'],
  phi4: ['<|tool_call|>', '<|/tool_call|>', '<|end|>'],
  hermes: ['<|im_end|>'],
  harmony: ['<|call|>', '<|return|>'],
};

const weather: readonly [string, JsonObject] = ['get_weather', { city: 'Paris' }];
const full: readonly [string, JsonObject] = ['get_weather', { city: 'Zürich "Süd"', days: 3, exact: true }];
const saved: readonly [string, JsonObject] = [
  'save', { text: 'a\n  b = {"x": 1}\n', tags: ['one', 'two, 3'], meta: { n: null, deep: [1.5, -2e3] } },
];
const inJson = ([name, args]: readonly [string, JsonObject], key = 'arguments'): string =>
  `{"name": "${name}", "${key}": ${JSON.stringify(args)}}`;

const block = (json: string): string => `<tool_call>\n${json}\n</tool_call>`;

const hermes: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'text', text: 'Hello\nthere. \n', content: 'Hello\nthere. \n' },
  { name: 'a call', text: block(inJson(weather)), calls: [weather] },
  { name: 'a thought, words and two calls',
    text: `<think>\nI need\n\nboth.\n</think>\n\nLet me see.\n${block(inJson(full))}\n${block(inJson(saved))}<|im_end|>`,
    reasoning: 'I need\n\nboth.', content: 'Let me see.', calls: [full, saved] },
  { name: 'a thought that the prompt opened', promptTail: '<|im_start|>assistant\n<think>\n', text: 'so\n</think>\n\nyes',
    reasoning: 'so', content: 'yes' },
  { name: 'escapes in arguments',
    text: block('{"name": "save", "arguments": {"text": "\\u00e9\\ud83d\\ude00 \\"q\\" \\\\ </tool_call> \\n"}}'),
    calls: [['save', { text: 'é😀 "q" \\ </tool_call> \n' }]] },
  { name: 'rare characters', text: `\u{10348} \ua66e\n${block('{"name": "save", "arguments": {"text": "\u{10348}\u{13080}"}}')}`,
    content: '\u{10348} \ua66e', calls: [['save', { text: '\u{10348}\u{13080}' }]] },
  { name: 'arguments before the name', text: block('{"arguments": {"city": "Paris"}, "name": "get_weather"}'), calls: [weather] },
  { name: 'arguments as text', text: block('{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}'), calls: [weather] },
  { name: 'no arguments', text: block('{"name": "now"}'), calls: [['now', {}]] },
  { name: 'a line break in a string', text: block('{"name": "save", "arguments": {"text": "a\nb"}}'), calls: [['save', { text: 'a\nb' }]] },
  { name: 'cut in the arguments', text: '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Pa', incomplete: 1 },
  { name: 'cut before the name', text: 'Well. <tool_call>\n{"na', content: 'Well.', incomplete: 1 },
  { name: 'cut behind a whole call', text: `<tool_call>\n${inJson(weather)}\n</tool`, calls: [weather] },
  { name: 'broken arguments', text: `${block('{"name": "get_weather", "arguments": {"city": Paris}}')}\n${block(inJson(weather))}`,
    incomplete: 1, calls: [weather] },
  { name: 'no call between the tags', text: 'See <tool_call>{"name": 1}</tool_call> here.',
    content: 'See <tool_call>{"name": 1}</tool_call> here.' },
  { name: 'the tag in words', text: 'Write <tool_call> first.', content: 'Write <tool_call> first.' },
  { name: 'without tools', text: block(inJson(weather)), withoutTools: true, content: block(inJson(weather)) },
  { name: 'words behind a call', text: `${block(inJson(weather))}\n\nDone.`, calls: [weather], content: 'Done.' },
];

const parameter = (key: string, value: string): string => `<parameter=${key}>\n${value}\n</parameter>\n`;
const xmlCall = (name: string, ...parameters: string[]): string =>
  `<tool_call>\n<function=${name}>\n${parameters.join('')}</function>\n</tool_call>`;
const xmlSaved = xmlCall('save', parameter('text', 'a\n  b = {"x": 1}\n'), parameter('tags', '["one", "two, 3"]'),
  parameter('meta', '{"n": null, "deep": [1.5, -2e3]}'));

const qwenXml: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'two calls',
    text: `<think>\nhm\n</think>\n\nI look.\n\n` +
      `${xmlCall('get_weather', parameter('city', 'Zürich "Süd"'), parameter('days', '3'), parameter('exact', 'true'))}\n${xmlSaved}`,
    reasoning: 'hm', content: 'I look.', calls: [full, saved] },
  { name: 'a number where the schema has a string', text: xmlCall('get_weather', parameter('city', '75001')),
    calls: [['get_weather', { city: '75001' }]] },
  { name: 'without the outer tag', text: `<function=get_weather>\n${parameter('city', 'Paris')}</function>\n</tool_call>`,
    calls: [weather] },
  { name: 'no arguments', text: xmlCall('now'), calls: [['now', {}]] },
  { name: 'a word of Python', text: xmlCall('get_weather', parameter('city', 'Paris'), parameter('exact', 'True')),
    calls: [['get_weather', { city: 'Paris', exact: true }]] },
  { name: 'unknown keys',
    text: xmlCall('get_weather', parameter('city', 'Paris'), parameter('more', '[1, 2]'), parameter('else', 'Paris, 2')),
    calls: [['get_weather', { city: 'Paris', more: [1, 2], else: 'Paris, 2' }]] },
  { name: 'cut in a value', text: '<tool_call>\n<function=get_weather>\n<parameter=city>\nPar', incomplete: 1 },
  { name: 'cut behind a value', text: `<tool_call>\n<function=get_weather>\n${parameter('city', 'Paris')}`, incomplete: 1 },
  { name: 'without tools', withoutTools: true, text: xmlCall('now'), content: xmlCall('now') },
];

const python = 'get_weather(city="Zürich \\"Süd\\"", days=3, exact=True)';
const pythonSaved = `save(text='a\\n  b = {"x": 1}\\n', tags=["one", 'two, 3'], meta={'n': None, "deep": [1.5, -2e3,]})`;
const pythonPlain =
  'save(text="a\\n  b = {\\"x\\": 1}\\n", tags=["one", "two, 3"], meta={"n": None, "deep": [1.5, -2e3]})';

const lfm2: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'two calls', text: `<|tool_call_start|>[${python}, ${pythonPlain}]<|tool_call_end|><|im_end|>`, calls: [full, saved] },
  { name: 'words behind calls', text: `<|tool_call_start|>[${python}, ${pythonPlain}]<|tool_call_end|>I look.<|im_end|>`,
    calls: [full, saved], content: 'I look.' },
  { name: 'words before calls', text: `I look.<|tool_call_start|>[${python}]<|tool_call_end|>`, calls: [full], content: 'I look.' },
  { name: 'single quotes and a last comma', text: `<|tool_call_start|>[${pythonSaved}]<|tool_call_end|>`, calls: [saved] },
  { name: 'a thought', text: '<think>hm</think>I look.', reasoning: 'hm', content: 'I look.' },
  { name: 'no arguments', text: '<|tool_call_start|>[now()]<|tool_call_end|>', calls: [['now', {}]] },
  { name: 'an argument by its place', text: "<|tool_call_start|>[get_weather('Paris')]<|tool_call_end|>", calls: [weather] },
  { name: 'JSON between the marks', text: `<|tool_call_start|>[${inJson(weather)}]<|tool_call_end|>`, calls: [weather] },
  { name: 'cut in a string', text: "<|tool_call_start|>[get_weather(city='Pa", incomplete: 1 },
  { name: 'cut behind the first call', text: `<|tool_call_start|>[${python}, get_weather(ci`, calls: [full], incomplete: 1 },
  { name: 'without tools', withoutTools: true, text: `A <|tool_call_start|>[now()]<|tool_call_end|>`, content: 'A [now()]' },
];

const llama3: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'a bare call', text: `${inJson(full, 'parameters')}<|eot_id|>`, calls: [full] },
  { name: 'two bare calls', text: `${inJson(full, 'parameters')}; ${inJson(saved, 'parameters')}`, calls: [full, saved] },
  { name: 'with a type', text: '{"type": "function", "name": "get_weather", "parameters": {"city": "Paris"}}', calls: [weather] },
  { name: 'behind the tag', text: `<|python_tag|>${inJson(weather, 'parameters')}<|eom_id|>`, calls: [weather] },
  { name: 'pythonic', text: `[${python}, ${pythonSaved}]`, calls: [full, saved] },
  { name: 'another function', text: '{"name": "other", "parameters": {"a": 1}}', content: '{"name": "other", "parameters": {"a": 1}}' },
  { name: 'another object', text: '{"answer": 42, "name": "get_weather"}', content: '{"answer": 42, "name": "get_weather"}' },
  { name: 'a list in words', text: '[one] and two', content: '[one] and two' },
  { name: 'cut before it is certain', text: '{"name": "get_we', content: '{"name": "get_we' },
  { name: 'cut in the arguments', text: '{"name": "get_weather", "parameters": {"city": "P', incomplete: 1 },
  { name: 'the older form', text: '<function=get_weather>{"city": "Paris"}</function>', calls: [weather] },
  { name: 'without tools', withoutTools: true, text: inJson(weather, 'parameters'), content: inJson(weather, 'parameters') },
];

const gemma3: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'in a fence', text: `\`\`\`tool_code\n[${python}]\n\`\`\``, calls: [full] },
  { name: 'one call in a fence', text: `\`\`\`tool_code\n${python}\n\`\`\``, calls: [full] },
  { name: 'JSON in a fence', text: `\`\`\`json\n${inJson(saved, 'parameters')}\n\`\`\``, calls: [saved] },
  { name: 'bare', text: `[${python}, ${pythonSaved}]`, calls: [full, saved] },
  { name: 'other code', text: '```python\nprint(1)\n```', content: '```python\nprint(1)\n```' },
];

const q = '<|"|>';
const gemma4: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'two calls',
    text: `<|channel>thought\nhm\n<channel|>I look.` +
      `<|tool_call>call:get_weather{city:${q}Zürich "Süd"${q},days:3,exact:true}<tool_call|>` +
      `<|tool_call>call:save{meta:{deep:[1.5,-2e3],n:null},tags:[${q}one${q},${q}two, 3${q}],` +
      `text:${q}a\n  b = {"x": 1}\n${q}}<tool_call|><|tool_response>`,
    reasoning: 'hm', content: 'I look.', calls: [full, ['save', { meta: { deep: [1.5, -2e3], n: null }, tags: ['one', 'two, 3'],
      text: 'a\n  b = {"x": 1}\n' }]] },
  { name: 'no arguments', text: '<|tool_call>call:now{}<tool_call|>', calls: [['now', {}]] },
  { name: 'a word of Python', text: '<|tool_call>call:save{meta:{n:None}}<tool_call|>', calls: [['save', { meta: { n: null } }]] },
  { name: 'an empty thought', text: '<|channel>thought\n<channel|>Yes.', content: 'Yes.' },
  { name: 'a thought that the prompt opened', promptTail: '<|turn>model\n<|channel>thought\n', text: 'so<channel|>Yes.', reasoning: 'so',
    content: 'Yes.' },
  { name: 'cut', text: `<|tool_call>call:get_weather{city:${q}Par`, incomplete: 1 },
  { name: 'without tools', withoutTools: true, text: '<|tool_call>call:now{}<tool_call|>', content: 'call:now{}' },
];

const withId = (call: readonly [string, JsonObject], id: string): string => `${inJson(call).slice(0, -1)}, "id": "${id}"}`;
const mistral: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'two calls', text: `[TOOL_CALLS][${inJson(full).slice(0, -1)}, "id": "abcdefghi"}, ${inJson(saved)}]</s>`, calls: [full, saved] },
  { name: 'two calls with ids', text: `[TOOL_CALLS][${withId(full, 'abcdefghi')}, ${withId(saved, '123456789')}]</s>`,
    calls: [full, saved] },
  { name: 'cut behind the first', text: `[TOOL_CALLS][${inJson(full)}, {"name": "save", "arguments": {"te`, calls: [full], incomplete: 1 },
  { name: 'without tools', withoutTools: true, text: '[TOOL_CALLS][1]', content: '[1]' },
];

const args = ([, value]: readonly [string, JsonObject]): string => JSON.stringify(value);
const ministral: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'two calls', text: `[THINK]hm[/THINK]I look.[TOOL_CALLS]get_weather[ARGS]${args(full)}[TOOL_CALLS]save[ARGS]${args(saved)}</s>`,
    reasoning: 'hm', content: 'I look.', calls: [full, saved] },
  { name: 'one call', text: `[TOOL_CALLS]get_weather[ARGS]${args(full)}</s>`, calls: [full] },
  { name: 'words', text: 'I look.</s>', content: 'I look.' },
  { name: 'with an id', text: `[TOOL_CALLS]get_weather[CALL_ID]123456789[ARGS]${args(weather)}</s>`, calls: [weather] },
  { name: 'cut', text: '[TOOL_CALLS]get_weather[ARGS]{"city": ', incomplete: 1 },
  { name: 'without tools', withoutTools: true, text: '[TOOL_CALLS]now[ARGS]{}', content: 'now{}' },
];

const harmony: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'a thought and an answer',
    text: '<|channel|>analysis<|message|>hm\n<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>',
    reasoning: 'hm\n', content: 'Yes.' },
  { name: 'a call',
    text: `<|channel|>analysis<|message|>hm<|end|><|start|>assistant` +
      `<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>${args(full)}<|call|>`,
    reasoning: 'hm', calls: [full] },
  { name: 'a recipient before the channel', text: ` to=functions.save<|channel|>commentary json<|message|>${args(saved)}<|call|>`,
    calls: [saved] },
  { name: 'words before a call',
    text: `<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.now<|message|>{}<|call|>`,
    content: 'I look.', calls: [['now', {}]] },
  { name: 'cut in a call', text: '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Pa', incomplete: 1 },
  { name: 'cut in a header', text: '<|channel|>ana' },
  { name: 'a bare text', text: 'Yes. It is.<|return|>', content: 'Yes. It is.' },
  { name: 'a message that the prompt opened', promptTail: '<|start|>assistant<|channel|>analysis<|message|>',
    text: 'so<|end|><|start|>assistant<|channel|>final<|message|>Yes.',
    reasoning: 'so', content: 'Yes.' },
  { name: 'without tools', withoutTools: true, text: '<|channel|>commentary to=functions.now<|message|>{}<|call|>', content: '{}' },
];

const phi4: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'two calls', text: `<|tool_call|>[${inJson(full)}, ${inJson(saved)}]<|/tool_call|><|end|>`, calls: [full, saved] },
  { name: 'a thought', text: '<think>hm</think>ok', reasoning: 'hm', content: 'ok' },
  { name: 'cut', text: `<|tool_call|>[{"name": "get_weather", "arguments": {"city": "P`, incomplete: 1 },
];

const granite: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'a list', text: `<|tool_call|>[${inJson(full)}, ${inJson(saved)}]`, calls: [full, saved] },
  { name: 'blocks', text: `${block(inJson(full))}\n${block(inJson(saved))}`, calls: [full, saved] },
  { name: 'a thought and a response', text: '<think>hm</think>\n<response>Yes.</response>', reasoning: 'hm', content: 'Yes.' },
  { name: 'cut', text: '<tool_call>[{"name": "get_weather", "arguments": {', incomplete: 1 },
];

const pairs = (...all: (readonly [string, string])[]): string =>
  all.map(([key, value]) => `<arg_key>${key}</arg_key>\n<arg_value>${value}</arg_value>\n`).join('');
const glm: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'two calls',
    text: `\n<think>hm</think>\nI look.\n` +
      `<tool_call>get_weather\n${pairs(['city', 'Zürich "Süd"'], ['days', '3'], ['exact', 'true'])}</tool_call>\n` +
      `<tool_call>save\n${pairs(['text', 'a\n  b = {"x": 1}\n'])}` +
      `${pairs(['tags', '["one", "two, 3"]'], ['meta', '{"n": null, "deep": [1.5, -2e3]}'])}</tool_call>`,
    reasoning: 'hm', content: 'I look.', calls: [full, saved] },
  { name: 'two calls on one line',
    text: '<tool_call>get_weather<arg_key>city</arg_key><arg_value>Paris</arg_value>' +
      '<arg_key>days</arg_key><arg_value>3</arg_value></tool_call>' +
      '<tool_call>get_weather<arg_key>city</arg_key><arg_value>Paris</arg_value></tool_call>',
    calls: [['get_weather', { city: 'Paris', days: 3 }], weather] },
  { name: 'on one line', text: '<tool_call>get_weather<arg_key>city</arg_key><arg_value>Paris</arg_value></tool_call>', calls: [weather] },
  { name: 'no arguments', text: '<tool_call>now\n</tool_call>', calls: [['now', {}]] },
  { name: 'cut', text: '<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Pa', incomplete: 1 },
  { name: 'words', text: 'The <tool_call> tag it is', content: 'The <tool_call> tag it is' },
];

const plain: readonly Omit<AnswerCase, 'dialect'>[] = [
  { name: 'calls are text', text: block(inJson(weather)), content: block(inJson(weather)) },
  { name: 'a thought of another family', text: '<seed:think>hm</seed:think>ok', reasoning: 'hm', content: 'ok' },
  ...([
    ['white space before plain text stays', ' \n Hello', '', ' \n Hello'],
    ['thinking', '<think>\n1 + 1 = 2\n</think>\n\nTwo.', '1 + 1 = 2', 'Two.'],
    ['inner line breaks and spaces stay', '<think>\n a\n\nb \n</think>\n c\n', ' a\n\nb ', ' c\n'],
    ['nothing thought', '<think>\n\n</think>\n\nAt once.', '', 'At once.'],
    ['tags in the middle are text', '\n<think>a < b </thin > c</think>rest <think>not this</think>', 'a < b </thin > c',
      'rest <think>not this</think>'],
    ['a closing tag alone is text', 'Use </think> to end.', '', 'Use </think> to end.'],
    ['cut while thinking', '<think>\n1 +\n', '1 +\n', ''],
    ['cut in the closing tag', '<think>so</thi', 'so</thi', ''],
    ['cut after it', '<think>so</think>\n', 'so', ''],
    ['another tag', '<thinker> is no tag', '', '<thinker> is no tag'],
    ['cut in the opening tag', '<th', '', '<th'],
    ['nothing', '', '', ''],
  ] as const).map(([name, text, reasoning, content]) => ({ name, text, reasoning, content })),
  ...([
    ['opened by the prompt, and again by the model', '<think>\nso\n</think>\nyes', 'so', 'yes'],
    ['opened by the prompt, closed at once', '\n</think>\n\nyes', '', 'yes'],
    ['opened by the prompt and cut', '\nso', 'so', ''],
    ['opened by the prompt, and it seems to be a tag', '<th', '<th', ''],
  ] as const).map(([name, text, reasoning, content]) => ({ name, text, reasoning, content, promptTail: 'Assistant: <think>\n' })),
];

const all: Readonly<Record<string, readonly Omit<AnswerCase, 'dialect'>[]>> = {
  hermes, 'qwen-xml': qwenXml, lfm2, llama3, gemma3, gemma4, mistral, ministral, harmony, phi4, granite, glm, plain,
};

export const answerCases: readonly AnswerCase[] = Object.entries(all).flatMap(([dialect, cases]) =>
  cases.map((each) => ({ dialect, ...each })));
