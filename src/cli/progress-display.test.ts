import { expect, test } from 'vitest';
import { createProgressDisplay } from './progress-display.ts';
import type { OutputStream } from './terminal.ts';

const NOTE = 'https://example.com/m.gguf: the server answered 503 Service Unavailable; attempt 2 of 5 in 0.5 s';

function recorder(isTTY: boolean): { readonly stream: OutputStream; readonly written: () => string } {
  let written = '';
  return { stream: { isTTY, columns: 60, write: (text: string) => void (written += text) } as OutputStream, written: () => written };
}

test.each([true, false])('why the work stands still is told whole, on a line of its own; a terminal: %s', (isTTY) => {
  const { stream, written } = recorder(isTTY);
  const display = createProgressDisplay(stream);
  display.onProgress({ phase: 'download', loaded: 0, total: 0, note: `${NOTE}\u001b[31m` });
  // Nothing of a bar yet, which waits a moment; nothing of the server's own control characters.
  expect(written()).toBe(`ingot: ${NOTE}\\u001b[31m\n`);
  display.clear();
});

test('the bar comes after the note', async () => {
  const { stream, written } = recorder(true);
  const display = createProgressDisplay(stream);
  display.onProgress({ phase: 'download', loaded: 1e6, total: 4e6 });
  await expect.poll(written).toContain('downloading');
  const before = written().length;
  display.onProgress({ phase: 'download', loaded: 1e6, total: 4e6, note: NOTE });
  display.onProgress({ phase: 'download', loaded: 4e6, total: 4e6 });
  const [note, bar] = written().slice(before).split('\n');
  expect(note).toBe(`\r\u001b[2Kingot: ${NOTE}`);
  expect(bar).toMatch(/downloading .*100%/);
  display.clear();
});
