/** What the person has set, kept in this browser. The server's key is kept for the tab alone. */
import { effect, signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { ChatSettings } from './conversation.ts';

export type Theme = 'system' | 'light' | 'dark';

/** A system prompt that has a name. */
export interface SavedPrompt {
  readonly name: string;
  readonly text: string;
}

const NO_SETTINGS: ChatSettings = { system: '', sampling: {}, tools: '' };

/** A browser may keep nothing for pages, and says so by throwing. */
function read<Value>(storage: () => Storage, name: string, fallback: Value): Value {
  try {
    const text = storage().getItem(`ingot ${name}`);
    return text === null ? fallback : (JSON.parse(text) as Value);
  } catch {
    return fallback;
  }
}

function kept<Value>(storage: () => Storage, name: string, fallback: Value): Signal<Value> {
  const value = signal(read(storage, name, fallback));
  effect(() => {
    const text = JSON.stringify(value.value);
    try {
      storage().setItem(`ingot ${name}`, text);
    } catch {
      // Then it holds for this visit.
    }
  });
  return value;
}

const forGood = () => localStorage;
const forTab = () => sessionStorage;

export const theme = kept<Theme>(forGood, 'theme', 'system');
export const apiKey = kept(forTab, 'key', '');
export const chosenModel = kept<string | undefined>(forGood, 'model', undefined) as Signal<string | undefined>;
/** What new chats begin with. */
export const newChatSettings = kept<ChatSettings>(forGood, 'settings', NO_SETTINGS);
export const savedPrompts = kept<readonly SavedPrompt[]>(forGood, 'prompts', []);
export const isSidebarOpen = kept(forGood, 'sidebar', true);

/** The colours of the page, and of the browser's frame around it. */
export function followTheme(): void {
  effect(() => {
    const { value } = theme;
    if (value === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = value;
  });
}
