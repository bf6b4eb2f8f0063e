/** Gemma 4: `<|tool_call>call:f{key:<|"|>text<|"|>,other:1}<tool_call|>`, thoughts in the channel `thought`. */
import { callForms, formDialect } from '../form-dialect.ts';
import { gemmaCalls } from '../named-calls.ts';

const OPEN = '<|tool_call>';
const CLOSE = '<tool_call|>';

export const gemma4 = formDialect({
  name: 'gemma4',
  isFor: (template) => template.includes(`${OPEN}call:`),
  form: { reasoning: [{ open: '<|channel>thought', close: '<channel|>' }], calls: { [OPEN]: gemmaCalls } },
  callMarks: [CLOSE, '<|"|>', '<|channel>'],
  grammar: (tools) => ({
    triggers: [OPEN],
    begin: '',
    separator: '',
    end: '',
    calls: callForms(tools, { begin: (name) => `${OPEN}call:${name}`, end: CLOSE, form: 'gemma' }),
  }),
});
