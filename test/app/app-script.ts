/** What the model of the app's tests says, and Markdown that has everything in it. */
import type { AskedMessage, ScriptedAnswer } from './scripted-model.ts';

const FENCE = '```';

export const RICH = `## A short tour

Text with **strong**, *soft* and \`code\`, a [link](https://example.com), and <b onclick="window.hit=1">markup</b> that stays text.

3. First
4. Second, with $a^2 + b^2 = c^2$

$$\\int_0^1 x^2 \\, dx = \\frac{1}{3}$$

${FENCE}js
const answer = 42; // of course
${FENCE}

| hen | eggs |
| --- | ---: |
| Ada | 3 |

![tracker](https://example.com/t.png)

[script](javascript:window.hit=3)

<script>window.hit = 2</script>
`;

export const TOOLS = JSON.stringify([
  { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } },
]);

export function textOf({ content }: AskedMessage): string {
  return typeof content === 'string' ? content : JSON.stringify(content);
}

export function scriptedAnswer(messages: readonly AskedMessage[], call: number): ScriptedAnswer {
  const last = messages.at(-1)!;
  const text = textOf(last);
  if (last.role === 'tool') return { text: `It is ${text}.` };
  if (last.role === 'assistant') return { text: ' and so on.' };
  if (text.includes('tour')) return { text: RICH };
  if (text.includes('think')) return { text: 'Forty-two.', reasoning: 'What is six times seven? It is forty-two.' };
  if (text.includes('weather')) return { text: '', call: { name: 'weather', arguments: { city: 'Bonn' } } };
  // Longer than any test waits: whoever asks so stops it.
  if (text.includes('slowly')) return { text: 'word '.repeat(40_000), pieceMs: 15 };
  return { text: `Answer ${call} to ${messages.filter(({ role }) => role === 'user').length}.` };
}
