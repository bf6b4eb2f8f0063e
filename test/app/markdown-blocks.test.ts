/** Blocks of Markdown: however it grows, and however deeply it is nested. */
import { describe, expect, it } from 'vitest';
import { Marked } from 'marked';
import { mathTokens } from '../../app/text/math-tokens.ts';
import { blocksOf, isTooDeep } from '../../app/text/markdown-blocks.ts';

const TEXT = [
  '# Head',
  'A paragraph\nof two lines.',
  '1. one\n\n2. two\n   - in it\n\n3. three',
  '```js\nlet a;\n\nlet b;\n```',
  '| a | b |\n| - | - |\n| 1 | 2 |',
  '> quoted\n> twice',
  'The end\n---',
  'Last.\r\n',
].join('\n\n');

describe('blocksOf', () => {
  it('gives the same blocks for a text that grows letter by letter', () => {
    let blocks: readonly string[] = [];
    for (let end = 1; end <= TEXT.length; end++) blocks = blocksOf(TEXT.slice(0, end), blocks);
    expect(blocks).toEqual(blocksOf(TEXT));
    expect(blocks).toHaveLength(8);
    expect(blocks.join('')).toBe(TEXT.replace('\r', ''));
  });

  it('reads another text anew', () => {
    expect(blocksOf('a\n\nb\n\nc\n\nd', blocksOf(TEXT))).toEqual(['a\n\n', 'b\n\n', 'c\n\n', 'd']);
    expect(blocksOf(' \n\n')).toEqual([]);
  });

  it.each([`${'- '.repeat(1200)}a`, '>'.repeat(2000), `${'1. '.repeat(900)}a`, `${'> - '.repeat(600)}a`])(
    'takes a line that is nested too deeply as a block of its own',
    (deep) => {
      expect(blocksOf(`Before\n${deep}\n\nAfter`)).toEqual(['Before\n', `${deep}\n\n`, 'After']);
      expect(isTooDeep(deep)).toBe(true);
    },
  );

  it('takes lists that are nested by their indents alike, and leaves those that people write', () => {
    const deep = Array.from({ length: 1500 }, (_, level) => `${'  '.repeat(level)}- a`).join('\n');
    expect(blocksOf(deep).join('')).toBe(deep);
    expect(isTooDeep(`${'> '.repeat(50)}a`)).toBe(false);
    expect(isTooDeep(`${'-'.repeat(200)}`)).toBe(false);
    expect(isTooDeep(`${' '.repeat(200)}indented code`)).toBe(false);
  });
});

it('finds formulas in a paragraph, in a line of their own, and none in prices', () => {
  const html = (text: string) => (new Marked(mathTokens, { gfm: true }).parse(text) as string).trim();
  const span = (tex: string, isDisplay = false) => `<span class="formula" data-display="${isDisplay}">${tex}</span>`;
  const block = (tex: string) => `<div class="formula" data-display="true">${tex}</div>`;
  expect(html('With $a_{1}$ and \\(b\\) for $5 and $6.')).toBe(`<p>With ${span('a_{1}')} and ${span('b')} for $5 and $6.</p>`);
  expect(html('So $$c$$ is.')).toBe(`<p>So ${span('c', true)} is.</p>`);
  expect(html('Here:\n$$\nx + y\n$$\nand\n\\[z\\]\nend')).toBe(`<p>Here:</p>\n${block('x + y')}<p>and</p>\n${block('z')}<p>end</p>`);
  for (const text of ['One $a$ two $b$.\nThree $c$.', 'Price $5, then\n\n$x$ and $y$.']) expect(blocksOf(text).join('')).toBe(text);
});
