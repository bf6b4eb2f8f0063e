import { describe, expect, it } from 'vitest';
import { contentText, shapingTemplate } from './chat-messages.ts';
import { parseChatTemplate } from './chat-template.ts';

const render = (source: string, messages: readonly object[]): string =>
  shapingTemplate(parseChatTemplate(source)).render({ messages }).text;
const LOOP = (body: string) => `{% for m in messages %}${body}{% endfor %}`;
const text = (said: string) => [{ type: 'text', text: said }, { type: 'text', text: 'b' }];
const calling = (args: unknown, more: object = {}) => [
  { role: 'user', content: 'x' },
  { role: 'assistant', content: null, tool_calls: [{ type: 'function', function: { name: 'f', arguments: args } }], ...more },
];

describe('messages become what a template takes', () => {
  it('parts become a text where it reads none, and stay where it does', () => {
    const messages = [{ role: 'user', content: text('a') }];
    expect(render(LOOP("{{ m.content + '.' }}"), messages)).toBe('a\nb.');
    expect(render(LOOP('{{ m.content }}'), messages)).toBe('a\nb');
    expect(render(LOOP("{% for p in m.content %}{{ p.text }}|{% endfor %}"), messages)).toBe('a|b|');
    const bySystem = LOOP("{% if m.role == 'user' %}{% for p in m.content %}{{ p.text }}|{% endfor %}{% else %}{{ m.content }}{% endif %}");
    expect(render(bySystem, [{ role: 'system', content: text('s') }, ...messages])).toBe('s\nba|b|');
  });

  it('null becomes an empty text', () => {
    expect(render(LOOP("{{ m.content + '.' }}"), calling({}))).toBe('x..');
  });

  it('arguments as text become an object where it takes one', () => {
    const each = '{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }}{% endfor %}';
    const items = LOOP(`{% for c in m.tool_calls or [] %}${each}{% endfor %}`);
    expect(render(items, calling('{"a": 1}'))).toBe('a=1');
    expect(render(items, calling(''))).toBe('');
    const asText = LOOP("{% for c in m.tool_calls or [] %}{{ 'call ' + c.function.arguments }}{% endfor %}");
    expect(render(asText, calling('{"a": 1}'))).toBe('call {"a": 1}');
    expect(render(LOOP('{{ m.tool_calls | tojson if m.tool_calls else "" }}'), calling('no JSON'))).toContain('"no JSON"');
  });

  it('a message of the system goes before the first question where it has no place', () => {
    const messages = [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'Hi' }];
    const refuses = LOOP("{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}[{{ m.content }}]");
    expect(render(refuses, messages)).toBe('[Be kind.\n\nHi]');
    expect(render(LOOP("{% if m.role != 'system' %}[{{ m.content }}]{% endif %}"), messages)).toBe('[Be kind.\n\nHi]');
    expect(render(LOOP('[{{ m.content }}]'), messages)).toBe('[Be kind.][Hi]');
  });

  it('thoughts are where it reads them', () => {
    const thought = { reasoning_content: 'hm' };
    const field = LOOP('{% if m.tool_calls %}({{ m.thinking }}){{ m.content }}{% endif %}');
    expect(render(field, calling({}, { ...thought, content: 'words' }))).toBe('(hm)');
    const both = LOOP('{% if m.tool_calls %}({{ m.thinking }},{{ m.reasoning_content }}){% endif %}');
    expect(render(both, calling({}, thought))).toBe('(,hm)');
    const list = '{% for p in m.content %}<{{ p.thinking or p.text }}>{% endfor %}';
    const parts = LOOP(`{% if m.content is string %}{{ m.content }}{% else %}${list}{% endif %}`);
    expect(render(parts, [{ role: 'user', content: 'x' }, { role: 'assistant', content: 'Yes.', ...thought }])).toBe('x<hm><Yes.>');
  });

  it('what is said, of any content', () => {
    expect([contentText('a'), contentText(null), contentText(text('a')), contentText(undefined)]).toEqual(['a', '', 'a\nb', '']);
  });
});
