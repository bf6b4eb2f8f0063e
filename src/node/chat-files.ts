/** Saved chats as files. */
import { readFile } from 'node:fs/promises';
import type { ChatFiles } from '../engine/chat-file.ts';
import { InputError } from '../tensor/errors.ts';
import { fileSink } from './file-sink.ts';

export const chatFiles: ChatFiles = {
  async read(path) {
    return readFile(path).catch((error: NodeJS.ErrnoException) => {
      throw new InputError(`Cannot read ${path}: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}.`);
    });
  },
  async write(path, bytes) {
    const sink = await fileSink(path);
    try {
      await sink.write(bytes);
      await sink.close();
    } catch (error) {
      await sink.abort();
      throw error;
    }
  },
};
