/** The app at `/` in a real browser, by the keyboard alone: everything that it can do with a chat. */
import { describe, expect, it } from 'vitest';
import { hasChromium } from '../browser/chromium.ts';
import { answers, appRig, isIdle, seriousFaults } from './app-rig.ts';
import { scriptedModel } from './scripted-model.ts';
import type { AskedMessage, ScriptedAnswer, ScriptedModel } from './scripted-model.ts';

const FENCE = '```';
const RICH = `## A short tour

Text with **strong**, *soft* and \`code\`, a [link](https://example.com), and <b onclick="window.hit=1">markup</b> that stays text.

1. First
2. Second, with $a^2 + b^2 = c^2$

$$\\int_0^1 x^2 \\, dx = \\frac{1}{3}$$

${FENCE}js
const answer = 42; // of course
${FENCE}

| hen | eggs |
| --- | ---: |
| Ada | 3 |

![tracker](https://example.com/t.png)

<script>window.hit = 2</script>
`;

const textOf = ({ content }: AskedMessage) => (typeof content === 'string' ? content : JSON.stringify(content));

function answer(messages: readonly AskedMessage[], call: number): ScriptedAnswer {
  const last = messages.at(-1)!;
  const text = textOf(last);
  if (last.role === 'tool') return { text: `It is ${text}.` };
  if (text.includes('tour')) return { text: RICH };
  if (text.includes('think')) return { text: 'Forty-two.', reasoning: 'What is six times seven? It is forty-two.' };
  if (text.includes('weather')) return { text: '', call: { name: 'weather', arguments: { city: 'Bonn' } } };
  if (text.includes('slowly')) return { text: 'word '.repeat(400), pieceMs: 15 };
  return { text: `Answer ${call} to ${messages.filter(({ role }) => role === 'user').length}.` };
}

describe.skipIf(!hasChromium)('a chat in the app', () => {
  let scripted: ScriptedModel;
  const rig = appRig(async () => {
    scripted = await scriptedModel(answer);
    return { models: { scripted: scripted.model, other: scripted.model } };
  });
  const count = (selector: string) => rig.read<number>(`document.querySelectorAll(${JSON.stringify(selector)}).length`);

  it('begins empty, with the place to write in focus', async () => {
    expect(await rig.read('document.activeElement.id')).toBe('message');
    expect(await seriousFaults(rig)).toEqual([]);
    await rig.picture('empty');
  });

  it('shows Markdown, code that is copied, formulas and tables, and runs nothing that an answer says', async () => {
    await rig.ask('Give me a tour');
    await rig.until("document.querySelector('.formula math') && document.querySelector('.hljs-keyword')");
    expect(await count('.turn.assistant .formula.drawn')).toBe(2);
    expect(await count('.turn.assistant table')).toBe(1);
    expect(await count('.turn.assistant img, .turn.assistant script, .turn.assistant b')).toBe(0);
    expect(await rig.read('window.hit')).toBe(undefined);
    expect(await rig.read("document.querySelector('.turn.assistant').innerText")).toContain('<b onclick="window.hit=1">markup</b>');
    await rig.read("document.querySelector('.copy-code').focus()");
    await rig.press('Enter');
    await rig.until("document.querySelector('.copy-code').textContent === 'Copied'");
    expect(await rig.read('navigator.clipboard.readText()')).toBe('const answer = 42; // of course');
    expect(await seriousFaults(rig)).toEqual([]);
    expect(await rig.read("document.querySelector('.figures').innerText")).toMatch(
      /scripted\s*first token \d+ ms\s*[\d.]+ tokens\/s\s*\d+ tokens/,
    );
    await rig.picture('tour');
  });

  it('stops at Escape, and goes on', async () => {
    await rig.press('Alt+KeyN');
    await rig.type('Count slowly');
    await rig.press('Enter');
    await rig.until(`${answers}.at(-1)?.length > 40`);
    await rig.picture('writing');
    await rig.press('Escape');
    await rig.until(isIdle);
    expect(await rig.read("document.querySelector('.turn.assistant .note').innerText")).toBe('Stopped.');
  });
});
