/** Blocks of Markdown: however it grows, and however deeply it is nested. */
import { describe, expect, it } from 'vitest';
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
