/** Keys for what the app does. Letters are told by their place on the keyboard, since Alt makes other letters of them on some. */
import { turns } from './conversations.ts';
import { currentRunning, regenerate, stop } from './answering.ts';
import { change, current, showNew } from './conversations.ts';
import { childrenOf, withSibling } from './conversation.ts';
import type { Turn } from './conversation.ts';
import { copyText } from './copy-text.ts';
import { closeDrawer, focusComposer, focusSearch, isDrawerOpen, openDialog, toggleSidebar } from './layout.ts';
import { ears, voice } from './models.ts';
import { exportChats } from './chat-files.ts';
import { undoLast } from './notices.ts';
import { theme } from './settings.ts';
import { typesLetter } from './types-letter.ts';
import { toggleSpeaking } from './voice.ts';

export interface Shortcut {
  /** As people read it: `Alt N`. */
  readonly keys: string;
  readonly does: string;
  /** `code` of the event, with Alt; undefined: it is handled where it is typed. */
  readonly code?: string;
  readonly run?: () => void;
}

function lastAnswer(): Turn | undefined {
  return turns.value.findLast(({ role }) => role === 'assistant');
}

function withLastAnswer(act: (turn: Turn) => void): () => void {
  return () => {
    const turn = lastAnswer();
    if (turn !== undefined) act(turn);
  };
}

/** The neighbour of the last turn that has any. */
function step(by: 1 | -1): () => void {
  return () => {
    const conversation = current.value;
    const turn = turns.value.findLast(({ parent }) => conversation !== undefined && childrenOf(conversation, parent).length > 1);
    if (conversation !== undefined && turn !== undefined) void change(conversation.id, (one) => withSibling(one, turn.id, by));
  };
}

/** Presses a button of the page that has its own state, as Tab and Enter would. */
function press(selector: string): () => void {
  return () => [...document.querySelectorAll<HTMLElement>(selector)].at(-1)?.click();
}

const THEMES = ['system', 'light', 'dark'] as const;

export const shortcuts: readonly Shortcut[] = [
  { keys: 'Enter', does: 'Send the message' },
  { keys: 'Shift Enter', does: 'Begin a line' },
  { keys: 'Escape', does: 'Stop the answer; close what is open' },
  {
    keys: 'Alt N',
    does: 'New chat',
    code: 'KeyN',
    run: () => {
      showNew();
      closeDrawer();
      focusComposer();
    },
  },
  { keys: 'Alt K', does: 'Search chats', code: 'KeyK', run: focusSearch },
  { keys: 'Alt B', does: 'Show or hide the list of chats', code: 'KeyB', run: toggleSidebar },
  { keys: 'Alt M', does: 'Choose a model', code: 'KeyM', run: () => (openDialog.value = 'models') },
  { keys: 'Alt S', does: 'Settings', code: 'KeyS', run: () => (openDialog.value = 'settings') },
  { keys: 'Alt R', does: 'Answer again', code: 'KeyR', run: withLastAnswer(({ id }) => regenerate(id)) },
  { keys: 'Alt E', does: 'Edit the last message', code: 'KeyE', run: press('.turn.user .icon-button[aria-label="Edit"]') },
  { keys: 'Alt ,', does: 'Version before', code: 'Comma', run: step(-1) },
  { keys: 'Alt .', does: 'Version after', code: 'Period', run: step(1) },
  { keys: 'Alt C', does: 'Copy the last answer', code: 'KeyC', run: withLastAnswer(({ text }) => void copyText(text)) },
  { keys: 'Alt A', does: 'Attach files', code: 'KeyA', run: press('#attach') },
  {
    keys: 'Alt V',
    does: 'Speak a message, where a model hears',
    code: 'KeyV',
    run: () => {
      if (ears.value !== undefined) press('#microphone')();
    },
  },
  {
    keys: 'Alt L',
    does: 'Read the last answer aloud, where a model speaks',
    code: 'KeyL',
    run: withLastAnswer(({ id, text }) => {
      if (voice.value !== undefined) void toggleSpeaking(id, text);
    }),
  },
  { keys: 'Alt Z', does: 'Undo what was deleted last', code: 'KeyZ', run: undoLast },
  { keys: 'Alt X', does: 'Export all chats', code: 'KeyX', run: () => void exportChats() },
  { keys: 'Alt I', does: 'Import chats', code: 'KeyI', run: press('#import') },
  {
    keys: 'Alt T',
    does: 'Colours: as the system has them, light, dark',
    code: 'KeyT',
    run: () => {
      theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % 3]!;
    },
  },
  {
    keys: 'Alt /',
    does: 'This list',
    code: 'Slash',
    run: () => {
      openDialog.value = openDialog.value === 'keys' ? undefined : 'keys';
    },
  },
];

/** Elsewhere Alt makes no letters, and keys are told by their place on keyboards that have other letters there. */
export const isMac = /^(Mac|iP)/.test(globalThis.navigator?.platform ?? '');
const isEnglish = /^en\b/.test(globalThis.navigator?.language ?? '');

function isWriting({ target }: KeyboardEvent): boolean {
  return target instanceof Element && target.closest('input, textarea, [contenteditable]') !== null;
}

function onKey(event: KeyboardEvent): void {
  // Safari ends what an input method composes before the key that ended it: 229 tells of it.
  if (event.isComposing || event.keyCode === 229) return;
  if (event.key === 'Escape' && openDialog.value === undefined) {
    // The browser closes the list that lies over the page.
    if (!isDrawerOpen.value && currentRunning.value !== undefined) stop();
    return;
  }
  const { key, code, altKey, ctrlKey } = event;
  // Control and Option together type nothing on a Mac, and are AltGr elsewhere, which types letters.
  if (!altKey || (ctrlKey && !isMac) || event.metaKey || event.shiftKey) return;
  const shortcut = shortcuts.find((one) => one.code === code);
  if (shortcut?.run === undefined || (isMac && !ctrlKey && isWriting(event) && typesLetter({ key, code, isEnglish }))) return;
  event.preventDefault();
  shortcut.run();
}

export function listenToKeys(): void {
  document.addEventListener('keydown', onKey);
}
