/** Qwen3, Qwen2.5 and Hermes: `<tool_call>{"name": "f", "arguments": {...}}</tool_call>`, thoughts between `<think>` tags. */
import { formDialect, jsonBlocks } from '../form-dialect.ts';
import { THINK } from '../reasoning-marks.ts';
import { blockCalls } from '../tagged-calls.ts';

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';

export const hermes = formDialect({
  name: 'hermes',
  isFor: (template) => template.includes(OPEN),
  form: { reasoning: [THINK], calls: { [OPEN]: blockCalls(CLOSE) } },
  callMarks: [CLOSE],
  grammar: jsonBlocks(OPEN, CLOSE),
});
