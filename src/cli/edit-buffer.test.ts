import { describe, expect, it } from 'vitest';
import { EDITS, EMPTY_BUFFER, insertText } from './edit-buffer.ts';
import type { EditName } from './edit-buffer.ts';
import { layoutEdit } from './edit-layout.ts';

/** A text with `|` for the cursor, after keys. */
function after(text: string, ...edits: readonly EditName[]): string {
  const cursor = text.indexOf('|');
  const buffer = edits.reduce((state, edit) => EDITS[edit](state), { ...EMPTY_BUFFER, text: text.replace('|', ''), cursor });
  return `${buffer.text.slice(0, buffer.cursor)}|${buffer.text.slice(buffer.cursor)}`;
}

const FAMILY = '\u{1f469}\u200d\u{1f469}\u200d\u{1f467}';

describe('edits', () => {
  it.each([
    ['a|', ['deleteLeft'], '|'],
    [`${FAMILY}|`, ['deleteLeft'], '|'],
    [`|${FAMILY}x`, ['deleteRight'], '|x'],
    [`x${FAMILY}|y`, ['left', 'left'], `|x${FAMILY}y`],
    ['e\u0301\u0302|', ['deleteLeft'], '|'],
    ['\u{1f1ef}\u{1f1f5}|', ['left'], '|\u{1f1ef}\u{1f1f5}'],
    ['日本|語', ['right', 'deleteLeft'], '日本|'],
    ['one two|', ['wordLeft'], 'one |two'],
    ['one, t|wo', ['cutWordLeft', 'cutWordLeft', 'yank'], 'one, |wo'],
    ['grün häuser|', ['cutWordLeft'], 'grün |'],
    ['|one two', ['wordRight', 'cutWordRight'], 'one|'],
    ['one\nt|wo', ['lineStart'], 'one\n|two'],
    ['one\nt|wo', ['textStart', 'lineEnd'], 'one|\ntwo'],
    ['one|\ntwo', ['cutToLineEnd'], 'one|two'],
    ['on|e\ntwo', ['cutToLineEnd'], 'on|\ntwo'],
    ['one\ntw|o', ['cutToLineStart', 'yank', 'yank'], 'one\ntwtw|o'],
    ['|', ['left', 'right', 'deleteLeft', 'deleteRight', 'cutWordLeft', 'cutToLineEnd'], '|'],
  ] as [string, EditName[], string][])('%j %j', (text, edits, expected) => expect(after(text, ...edits)).toBe(expected));

  it('a mark typed after its letter joins it', () => {
    const typed = [...FAMILY, 'e', '\u0301'].reduce(insertText, EMPTY_BUFFER);
    expect(EDITS.deleteLeft(EDITS.deleteLeft(typed)).text).toBe('');
  });
});

describe('layoutEdit', () => {
  it('breaks rows before a wide character that does not fit, and puts the cursor there', () => {
    const { rows, cursorRow, cursorColumn } = layoutEdit({ text: 'abcd日本', cursor: 5, killed: '' }, { columns: 9, mostRows: 5 });
    expect(rows.map(({ mark, text }) => mark + text)).toEqual(['> abcd日', '  本']);
    expect([cursorRow, cursorColumn]).toEqual([1, 2]);
  });

  it('takes no longer for a book than for its page', () => {
    const text = `${'word '.repeat(200_000)}\n`.repeat(5);
    const { rows, linesAbove } = layoutEdit({ text, cursor: text.length - 10, killed: '' }, { columns: 80, mostRows: 10 });
    expect(rows).toHaveLength(10);
    expect(linesAbove).toBe(4);
  });
});
