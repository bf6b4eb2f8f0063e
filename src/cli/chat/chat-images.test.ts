/** `/image` of a chat: what waits for the next message, and is asked again with it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageFile } from '../../../test/image-fixtures.ts';
import type { ChatMessage } from '../../engine/api.ts';
import { imagePart } from '../../engine/images/image-source.ts';
import { createTerminal } from '../terminal.ts';
import { messageFor, NO_FIGURES } from './conversation.ts';
import type { Conversation } from './conversation.ts';
import { obeyCommand } from './obey-command.ts';
import type { CommandPlace } from './obey-command.ts';

describe('/image', () => {
  let folder = '';

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-chat-images-'));
    writeFileSync(join(folder, 'a cat.png'), imageFile('rgb.png'));
    writeFileSync(join(folder, 'page.png'), '<html>');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const part = imagePart(imageFile('rgb.png'));
  const place = { screen: createTerminal(process.stdout), signal: new AbortController().signal } as unknown as CommandPlace;
  const stateOf = (history: readonly ChatMessage[], sees = true) => {
    const chat = { history, options: {} };
    const model = { vision: sees ? {} : undefined, info: { name: 'm' } };
    return { chat, model, images: [], results: [], droppedTurns: 0, figures: { ...NO_FIGURES } } as unknown as Conversation;
  };

  it('puts files before the next message, dragged paths too', async () => {
    const state = stateOf([]);
    const file = join(folder, 'a cat.png');
    for (const written of [file, `'${file}'`, file.replaceAll(' ', '\\ ')]) await obeyCommand('image', written, { state, place });
    expect(messageFor(state, 'What?')).toEqual([{ role: 'user', content: [part, part, part, { type: 'text', text: 'What?' }] }]);
    expect(messageFor(state, 'And?')).toBe('And?');
  });

  it('are kept where the message is asked again', async () => {
    const state = stateOf([{ role: 'user', content: [part, { type: 'text', text: 'What?' }] }, { role: 'assistant', content: 'A cat.' }]);
    const { ask } = await obeyCommand('retry', '', { state, place });
    expect([ask?.text, state.images, state.chat.history]).toEqual(['What?', [part], []]);
  });

  it('refuses what is no image, and a model that sees none', async () => {
    const page = obeyCommand('image', join(folder, 'page.png'), { state: stateOf([]), place });
    await expect(page).rejects.toThrow(/page\.png: expected a PNG.*a page of HTML/);
    await expect(obeyCommand('image', 'a.png', { state: stateOf([], false), place })).rejects.toThrow('m sees no images');
  });
});
