import { describe, expect, test } from 'vitest';
import { createMarkdownStyler, STYLE_MARKS, withSequences } from './markdown-styles.ts';

/** In pieces of so many characters. */
function style(text: string, pieceLength = text.length): string {
  const styler = createMarkdownStyler();
  let out = '';
  for (let at = 0; at < text.length; at += pieceLength) out += styler.push(text.slice(at, at + pieceLength));
  return out + styler.flush();
}

/** Sequences in words. */
const shown = (text: string) =>
  withSequences(style(text)).replaceAll(/\u001b\[(\d+)m/g, (_, code: string) => `<${code}>`);

describe('markdown', () => {
  test.each([
    ['a **bold** word, *another* and `code`.', 'a <1>bold<22> word, <3>another<23> and <36>code<39>.'],
    ['# Title\ntext', '<1>Title<22>\ntext'],
    ['- one\n* two\n  + three', '\u2022 one\n\u2022 two\n  \u2022 three'],
    ['> said', '<2>\u2502 <22>said'],
    ['```js\nlet a = **b**;\n\n```\nafter *it*', '<2>```js<22>\n<36>let a = **b**;<39>\n\n<2>```<22>\nafter <3>it<23>'],
    ['***both*** __b__ _i_', '<1><3>both<23><22> <1>b<22> <3>i<23>'],
    ['**bold with `code` in it**', '<1>bold with <36>code<39> in it<22>'],
    ['`` a ` b ``', '<36> a ` b <39>'],
    // What is none of it.
    ['2 * 3 * 4 = 24 and 5*3*2', '2 * 3 * 4 = 24 and 5*3*2'],
    ['snake_case_name and __init__.py', 'snake_case_name and <1>init<22>.py'],
    ['an open **end\nand *another', 'an open **end\nand *another'],
    ['a \\*star\\* and #tag and -5', 'a \\*star\\* and #tag and -5'],
    ['#', '#'],
    ['one `tick', 'one `tick'],
    ['|a|b|\n|---|---|', '|a|b|\n|---|---|'],
  ])('%j', (text, expected) => {
    expect(shown(text)).toBe(expected);
    // However it comes.
    for (const pieceLength of [1, 2, 3, 5]) {
      const joined = (styled: string) => withSequences(styled).replaceAll('\u001b[39m\u001b[36m', '');
      expect(joined(style(text, pieceLength))).toBe(joined(style(text)));
    }
  });

  test('no character of a plain text is lost or held back to its end', () => {
    const text = 'Ash was a fox. He had (one) den, a "home"; 3 - 1 = 2!\n\nThe end: a * b, c_d, ~~~ and so on.\n';
    expect(style(text, 1).replaceAll(STYLE_MARKS, '')).toBe(text);
    const styler = createMarkdownStyler();
    expect(styler.push('Ash was a')).toBe('Ash was a');
    expect(styler.push(' **fox')).toBe(' ');
    expect(styler.push(` ${'x'.repeat(400)}`).length).toBeGreaterThan(400);
  });
});
