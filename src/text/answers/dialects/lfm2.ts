/** LFM2 and LFM2.5: a list in Python's form between `<|tool_call_start|>` and `<|tool_call_end|>`. */
import { callForms, formDialect } from '../form-dialect.ts';
import { pythonicCalls } from '../pythonic-calls.ts';
import { THINK } from '../reasoning-marks.ts';

const OPEN = '<|tool_call_start|>';
const CLOSE = '<|tool_call_end|>';

export const lfm2 = formDialect({
  name: 'lfm2',
  // Its templates only list tools; the marks of calls are in the vocabulary.
  isFor: (template, vocabulary) =>
    template.includes(OPEN) ||
    template.includes('<|tool_list_start|>') ||
    (template.includes('List of tools: [') && vocabulary.idOf(OPEN) !== undefined),
  form: { reasoning: [THINK], calls: { [OPEN]: pythonicCalls({ close: CLOSE }) } },
  callMarks: [CLOSE],
  grammar: (tools) => ({
    triggers: [OPEN],
    begin: `${OPEN}[`,
    separator: ', ',
    end: `]${CLOSE}`,
    calls: callForms(tools, { begin: (name) => `${name}(`, end: ')', form: 'python-keywords' }),
  }),
});
