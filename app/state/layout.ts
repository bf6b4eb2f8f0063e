/** Which parts of the page are open. */
import { computed, signal } from '@preact/signals';
import { isSidebarOpen } from './settings.ts';

export type DialogName = 'models' | 'settings' | 'keys';

export const openDialog = signal<DialogName | undefined>(undefined);
/** On a narrow page the list of chats lies over the chat, and is closed at first. */
export const isDrawerOpen = signal(false);
const narrow = matchMedia('(max-width: 760px)');
export const isNarrow = signal(narrow.matches);
narrow.addEventListener('change', () => (isNarrow.value = narrow.matches));

export const hasSidebar = computed(() => (isNarrow.value ? isDrawerOpen.value : isSidebarOpen.value));

export function toggleSidebar(): void {
  if (isNarrow.value) isDrawerOpen.value = !isDrawerOpen.value;
  else isSidebarOpen.value = !isSidebarOpen.value;
}

export function closeDrawer(): void {
  isDrawerOpen.value = false;
}

/** Puts the caret where a message is written. */
export function focusComposer(): void {
  document.getElementById('message')?.focus();
}

/** Opens the list of chats at its search. */
export function focusSearch(): void {
  if (!hasSidebar.value) toggleSidebar();
  requestAnimationFrame(() => document.getElementById('search')?.focus());
}
