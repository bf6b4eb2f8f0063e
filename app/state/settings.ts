/** What the person has set, kept in this browser. The server's key is kept for the tab alone. */
import { effect } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { ChatSettings } from './conversation.ts';
import { forGood, forTab, kept } from './kept.ts';

export type Theme = 'system' | 'light' | 'dark';

/** A system prompt that has a name. */
export interface SavedPrompt {
  readonly name: string;
  readonly text: string;
}

const NO_SETTINGS: ChatSettings = { system: '', sampling: {}, tools: '' };

export const theme = kept<Theme>(forGood, 'theme', 'system');
export const apiKey = kept(forTab, 'key', '');
export const chosenModel = kept<string | undefined>(forGood, 'model', undefined) as Signal<string | undefined>;
/** What new chats begin with. */
export const newChatSettings = kept<ChatSettings>(forGood, 'settings', NO_SETTINGS);
export const savedPrompts = kept<readonly SavedPrompt[]>(forGood, 'prompts', []);
export const isSidebarOpen = kept(forGood, 'sidebar', true);

/** The colours of the page, and of the browser's frame around it: the page has a line for each of both (index.html). */
export function followTheme(): void {
  const frames = [...document.querySelectorAll<HTMLMetaElement>('meta[name=theme-color]')].map((line) => ({ line, own: line.content }));
  effect(() => {
    const { value } = theme;
    if (value === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = value;
    const chosen = frames.find(({ line }) => line.media.includes(value))?.own;
    for (const { line, own } of frames) line.content = chosen ?? own;
  });
}
