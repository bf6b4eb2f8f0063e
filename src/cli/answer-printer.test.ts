import { describe, expect, it } from 'vitest';
import type { AnswerPart } from '../text/answers/answer-parts.ts';
import { createAnswerPrinter } from './answer-printer.ts';
import type { Terminal } from './terminal.ts';

/** A stream that is no terminal. */
function stream(written: string[]): Terminal {
  const same = (text: string) => text;
  return {
    isTty: false, hasColour: false, canRedraw: false, columns: () => 80,
    write: (text: string) => void written.push(text),
    dim: same, bold: same, red: same,
  } as unknown as Terminal;
}

function print(parts: readonly AnswerPart[]) {
  const [answer, thinking]: [string[], string[]] = [[], []];
  const printer = createAnswerPrinter({ answer: stream(answer), thinking: stream(thinking) });
  for (const part of parts) printer.push({ parts: [part] });
  printer.end();
  return { answer: answer.join(''), thinking: thinking.join('') };
}

const call = { kind: 'toolCall', index: 0, id: 'a', tokens: [] } as const;

describe('an answer that is printed', () => {
  it('has calls on lines of their own', () => {
    const printed = print([
      { kind: 'reasoning', text: 'hm', tokens: [] },
      { kind: 'text', text: 'I look.', tokens: [] },
      { ...call, phase: 'start', name: 'get_weather' },
      { ...call, phase: 'arguments', text: '{"city": ' },
      { ...call, phase: 'arguments', text: '"Paris"}' },
      { ...call, phase: 'end', name: 'get_weather', arguments: { city: 'Paris' } },
    ]);
    expect(printed).toEqual({ answer: 'I look.\nget_weather({"city": "Paris"})\n', thinking: '(thinking) hm\n\n' });
  });

  it('says no thought where only its marks came, and leaves a cut call open', () => {
    const printed = print([
      { kind: 'reasoning', text: '', tokens: [1] },
      { ...call, phase: 'start', name: 'f' },
      { ...call, phase: 'arguments', text: '{"a"' },
    ]);
    expect(printed).toEqual({ answer: 'f({"a"\n', thinking: '' });
  });
});
