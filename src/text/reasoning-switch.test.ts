import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { reasoningSwitchOf } from './reasoning-switch.ts';

const published = (name: string) => [readFileSync(`${fixturesPath}templates/${name}.jinja`, 'utf8')];

describe('the switch of thoughts', () => {
  it.each([
    ['Qwen-Qwen3-0.6B', 'enable_thinking'], ['Qwen3.5-4B', 'enable_thinking'], ['google-gemma-4-31B-it', 'enable_thinking'],
    ['ember', 'enable_thinking'], ['LFM2.5-Instruct', undefined], ['meta-llama-Llama-3.2-3B-Instruct', undefined],
  ])('%s: %s', (name, variable) => expect(reasoningSwitchOf(published(name))).toBe(variable));

  it.each([
    ['{{ m.thinking }}', undefined], ["{% if m['thinking'] %}{% endif %}", undefined], ['{% if thinking %}Think.{% endif %}', 'thinking'],
    ['Your thinking: enable_thinking {# m.thinking #}{{ "thinking" }}', undefined],
    ['{% if preserve_thinking or strip_thinking(x) %}{% endif %}', undefined],
  ])('%s: %s', (source, variable) => expect(reasoningSwitchOf([source])).toBe(variable));
});
