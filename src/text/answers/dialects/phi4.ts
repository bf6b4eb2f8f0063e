/** Phi-4 and Phi-4-mini: an array in JSON between `<|tool_call|>` and `<|/tool_call|>`; the reasoning models have `<think>` tags. */
import { formDialect, jsonArray } from '../form-dialect.ts';
import { jsonCalls } from '../json-calls.ts';
import { THINK } from '../reasoning-marks.ts';

const OPEN = '<|tool_call|>';
const CLOSE = '<|/tool_call|>';

export const phi4 = formDialect({
  name: 'phi4',
  isFor: (template) => template.includes('<|/tool|>') || template.includes('<|im_sep|>'),
  form: { reasoning: [THINK], calls: { [OPEN]: jsonCalls({ close: CLOSE }) } },
  callMarks: [CLOSE],
  grammar: jsonArray(OPEN, CLOSE),
});
