/**
 * Qwen3-Coder and Qwen3.5: `<tool_call><function=f><parameter=key>value</parameter></function></tool_call>`. Values stand bare: the
 * schema of the function says which of them are strings. Some answers lack the outer tag.
 */
import { callForms, formDialect } from '../form-dialect.ts';
import { THINK } from '../reasoning-marks.ts';
import { blockCalls, functionCalls } from '../tagged-calls.ts';

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';
const FUNCTION = '<function=';

export const qwenXml = formDialect({
  name: 'qwen-xml',
  isFor: (template) => template.includes(OPEN) && template.includes(FUNCTION) && template.includes('<parameter='),
  form: { reasoning: [THINK], calls: { [OPEN]: blockCalls(CLOSE), [FUNCTION]: functionCalls(CLOSE) } },
  callMarks: [CLOSE],
  grammar: (tools) => ({
    triggers: [OPEN, FUNCTION],
    begin: '',
    separator: '\n',
    end: '',
    calls: callForms(tools, {
      begin: (name) => `${OPEN}\n<function=${name}>\n`,
      end: `</function>\n${CLOSE}`,
      form: 'xml-parameters',
    }),
  }),
});
