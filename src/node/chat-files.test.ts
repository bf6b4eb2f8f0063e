import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { collect } from '../engine/collect.ts';
import { InputError } from '../tensor/errors.ts';
import { loadModel } from './load-model.ts';
import { bundledModelPath } from './package-root.ts';

const folder = mkdtempSync(join(tmpdir(), 'ingot-chats-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('chat.save and loadChat', () => {
  it('keep a conversation in a file, as a whole', async () => {
    await using model = await loadModel(bundledModelPath(), { device: 'cpu', threads: 1 });
    const chat = model.createChat({ system: 'You are Ember.', temperature: 0, maxTokens: 12 });
    await collect(chat.send('Where does a hen live?'));
    const file = join(folder, 'chat.json');
    writeFileSync(file, 'an older one');
    await chat.save(file);
    expect(readdirSync(folder)).toEqual(['chat.json']);
    expect(new Uint8Array(readFileSync(file))).toEqual(chat.toBytes());
    const loaded = await model.loadChat(file);
    expect((await collect(loaded.send('And a fox?'))).text).toBe((await collect(chat.send('And a fox?'))).text);
    expect(loaded.history).toEqual(chat.history);
    await expect(model.loadChat(join(folder, 'none.json'))).rejects.toThrow(/none\.json: there is no such file/);
    await expect(chat.save(join(folder, 'none', 'chat.json'))).rejects.toThrow(InputError);
    expect(readdirSync(folder)).toEqual(['chat.json']);
  });
});
