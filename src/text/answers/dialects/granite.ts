/**
 * Granite: 3.x writes an array in JSON behind `<|tool_call|>` (or `<tool_call>`), and where it thinks its answer stands between
 * `<response>` tags; 4 writes `<tool_call>{...}</tool_call>` as Hermes does.
 */
import { formDialect, jsonBlocks } from '../form-dialect.ts';
import { jsonCalls } from '../json-calls.ts';
import { THINK } from '../reasoning-marks.ts';
import { blockCalls } from '../tagged-calls.ts';

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';
const LIST = '<|tool_call|>';

export const granite = formDialect({
  name: 'granite',
  isFor: (template) => template.includes('<|start_of_role|>'),
  form: {
    reasoning: [THINK],
    calls: { [LIST]: jsonCalls({}), [OPEN]: blockCalls(CLOSE) },
    ignored: ['<response>', '</response>'],
  },
  callMarks: [CLOSE],
  grammar: jsonBlocks(OPEN, CLOSE),
});
