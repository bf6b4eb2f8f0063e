/** Chat templates are programs that come with files: they throw, they loop, they grow, and must not harm. */
import { describeRefusals, temporaryFolder } from './refusals.ts';
import type { BadCase, ErrorName } from './refusals.ts';
import { text } from '../model-bytes.ts';
import { tinyModel } from './tiny-model.ts';

const folder = temporaryFolder();
let files = 0;

const loops = /took more than \d+ steps; it may loop without end/;
const large = /made a text of more than \d+ characters|took more than \d+ steps/;
const deep = /nested (more than \d+|too) deep/;
const nestedLists = '{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}';
const macro = (body: string, call = 'f(0)') => `{% macro f(n) %}${body}{% endmacro %}{{ ${call} }}`;

type Entry = readonly [name: string, template: string, message: RegExp, error?: ErrorName];

const throwing: readonly Entry[] = [
  [
    'refuses the messages',
    "{{ raise_exception('system role not supported') }}",
    /does not accept these messages: system role not supported/,
    'InputError',
  ],
  [
    'refuses with a text of 30 million characters',
    "{{ raise_exception('x' * 30000000) }}",
    /does not accept these messages|steps|characters/,
  ],
  ['ends in the middle', '{% for x in messages %}', /cannot be parsed/],
  ['closes what it did not open', '{% endfor %}', /cannot be parsed/],
  ['calls what is not there', '{{ foo() }}', /cannot call a value of type undefined/],
  ['uses an unknown filter', "{{ 'a' | nofilter }}", /nofilter/],
  ['reads a field of nothing', '{{ a.b.c }}', /failed/],
  ['wants out', "{{ ''.constructor.constructor('return process')().exit(7) }}", /failed/],
  ['wants a prototype', '{% set ns = namespace() %}{% set ns.__proto__ = 1 %}{{ ns.__proto__.x.y }}', /failed/],
  ['renders nothing', '{# nothing #}', /empty/, 'InputError'],
];

const looping: readonly Entry[] = [
  ['counts to a billion', '{% for i in range(1000000000) %}x{% endfor %}', loops],
  ['counts in steps of 0', '{% for i in range(0, 10, 0) %}x{% endfor %}', /failed/],
  ['counts to infinity', '{% for i in range(1e400) %}x{% endfor %}', /failed/],
  [
    'counts in nested loops',
    '{% for i in range(1000) %}{% for j in range(1000) %}{% for k in range(1000) %}{% endfor %}{% endfor %}{% endfor %}',
    loops,
  ],
  ['calls itself', macro('{{ f(n + 1) }}'), deep],
  ['calls itself twice, forty deep', macro('{% if n < 40 %}{{ f(n + 1) }}{{ f(n + 1) }}{% endif %}'), loops],
  ['two macros that call each other', '{% macro g(n) %}{{ f(n) }}{% endmacro %}{% macro f(n) %}{{ g(n) }}{% endmacro %}{{ f(1) }}', deep],
];

const growing: readonly Entry[] = [
  ['repeats a text a billion times', "{{ 'abcdefgh' * 1000000000 }}", large],
  ['repeats a list a billion times', '{{ ([1] * 1000000000) | length }}', /failed/],
  [
    'doubles a text sixty times',
    "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
    large,
  ],
  [
    'doubles a text by joining',
    "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] | join %}{% endfor %}{{ ns.s }}",
    large,
  ],
  [
    'doubles a text by ~',
    "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
    large,
  ],
  ['grows a text by replacing', "{% set s = 'x' * 100000 %}{{ s | replace('x', s) }}", large],
  ['grows a text by a method', "{% set s = 'x' * 100000 %}{{ s.replace('x', s) }}", large],
  ['indents a million lines by a million', "{{ ('\\n' * 1000000) | indent(1000000) }}", large],
  ['pads to a billion', "{{ 'x'.center(1000000000) }}{{ 'x' | center(1000000000) }}", /failed/],
  ['splits a large text', "{{ ('a ' * 15000000).split(' ') | length }}", /failed/],
  ['lists the characters of a large text', "{{ ('a' * 30000000) | list | length }}", /failed/],
  ['prints a list of 2^60', `${nestedLists}{{ ns.l }}`, large],
  ['writes a list of 2^60 as JSON', `${nestedLists}{{ ns.l | tojson }}`, large],
  [
    'compares lists of 2^60',
    `${nestedLists}{% set a = ns.l %}${nestedLists.replaceAll('ns', 'other')}{% if a == other.l %}x{% endif %}`,
    loops,
  ],
  ['indents JSON by a billion', '{{ messages | tojson(indent=1000000000) }}', /failed/],
  ['writes the messages 100,000 times', '{% for i in range(100000) %}{{ messages }}{{ messages | tojson }}{% endfor %}', large],
  ['writes 30 million characters', "{{ 'hello hello hello he' * 1500000 }}", /exceeds the context of 128 tokens/, 'CapacityError'],
];

const nested: readonly Entry[] = [
  ['is a list that holds itself', '{% set l = [] %}{% set x = l.append(l) %}{{ l }}', /failed/],
  ['writes a list that holds itself as JSON', '{% set l = [] %}{% set x = l.append(l) %}{{ l | tojson }}', /failed/],
  ['writes a namespace that holds itself', '{% set ns = namespace() %}{% set ns.me = ns %}{{ ns | tojson }}', /failed/],
  ['opens 5,000 ifs', `${'{% if true %}'.repeat(5000)}x${'{% endif %}'.repeat(5000)}`, deep],
  ['opens 100,000 parentheses', `{{ ${'('.repeat(100_000)}1${')'.repeat(100_000)} }}`, deep],
  ['opens 100,000 lists', `{{ ${'['.repeat(100_000)}${']'.repeat(100_000)} }}`, deep],
  ['denies 100,000 times', `{{ ${'not '.repeat(100_000)}true }}`, deep],
  ['adds 100,000 times', `{{ 1${' + 1'.repeat(100_000)} }}`, deep],
  ['asks for 100,000 fields', `{{ messages${'[0]'.repeat(100_000)} }}`, /failed|cannot be parsed/],
  ['filters 100,000 times', `{{ 'a'${' | upper'.repeat(100_000)} }}`, deep],
  ['has 3 million characters', ' x '.repeat(1_000_000), /3000000 characters; at most/],
];

const templateCase = ([name, template, message, error = 'FormatError']: Entry): BadCase => {
  const fileName = `template-${files++}.gguf`;
  const path = folder.write(fileName, tinyModel({ metadata: { 'tokenizer.chat_template': text(template) } }));
  const messages = [{ role: 'user', content: 'hello' }];
  // What fits no context is refused by the context, which has no file.
  const names = error === 'FormatError' ? fileName : undefined;
  return {
    name: `a template that ${name}`,
    action: 'generate',
    args: { path, request: { messages, maxTokens: 2 } },
    error,
    message,
    names,
  };
};

for (const [title, entries] of Object.entries({ throw: throwing, loop: looping, grow: growing, nest: nested })) {
  describeRefusals(`chat templates that ${title}`, 'cpu', () => entries.map(templateCase));
}
