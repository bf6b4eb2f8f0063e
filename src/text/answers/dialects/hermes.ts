/** Qwen3, Qwen2.5 and Hermes: `<tool_call>{"name": "f", "arguments": {...}}</tool_call>`, thoughts between `<think>` tags. */
import { formDialect, jsonBlocks } from '../form-dialect.ts';
import { THINK } from '../reasoning-marks.ts';
import { blockCalls } from '../tagged-calls.ts';

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';

export const hermes = formDialect({
  name: 'hermes',
  // MiniMax has the tag too, and other calls in it.
  isFor: (template) => template.includes(OPEN) && !template.includes('<invoke name='),
  form: { reasoning: [THINK], calls: { [OPEN]: blockCalls(CLOSE) } },
  callMarks: [CLOSE],
  grammar: jsonBlocks(OPEN, CLOSE),
});
