/** The chats of this browser: a new one, search, and the list. */
import { useMemo, useState } from 'preact/hooks';
import type { Conversation } from '../state/conversation.ts';
import { conversations, currentId, rename, remove, show, showNew } from '../state/conversations.ts';
import { exportChats, exportMarkdown } from '../state/chat-files.ts';
import { closeDrawer, focusComposer, openDialog } from '../state/layout.ts';
import { running } from '../state/answering.ts';
import { search } from '../state/search.ts';
import type { Found } from '../state/search.ts';
import { Icon, IconButton } from './icons.tsx';
import { Menu } from './menu.tsx';

const DAY_MS = 86_400_000;

function ageOf(time: number): string {
  const today = new Date().setHours(0, 0, 0, 0);
  if (time >= today) return 'Today';
  if (time >= today - DAY_MS) return 'Yesterday';
  if (time >= today - 7 * DAY_MS) return 'The last 7 days';
  return new Date(time).toLocaleDateString(undefined, { month: 'long', year: 'numeric' });
}

function grouped(all: readonly Conversation[]): ReadonlyMap<string, readonly Conversation[]> {
  const groups = new Map<string, Conversation[]>();
  for (const one of all) {
    const age = ageOf(one.updatedAt);
    groups.set(age, [...(groups.get(age) ?? []), one]);
  }
  return groups;
}

function open(id: string): void {
  show(id);
  closeDrawer();
}

function NameField({ conversation, onDone }: { readonly conversation: Conversation; readonly onDone: () => void }) {
  const save = (event: Event) => {
    rename(conversation.id, (event.currentTarget as HTMLInputElement).value);
    onDone();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Enter') save(event);
    if (event.key === 'Escape') onDone();
    if (event.key === 'Enter' || event.key === 'Escape') event.stopPropagation();
  };
  return (
    <input
      class="name-field"
      aria-label="Name of the chat"
      defaultValue={conversation.title}
      onKeyDown={onKey}
      onBlur={save}
      ref={(input) => input?.focus()}
    />
  );
}

function Item({ conversation }: { readonly conversation: Conversation }) {
  const [isNamed, setNamed] = useState(false);
  const { id, title } = conversation;
  const isCurrent = currentId.value === id;
  if (isNamed)
    return (
      <li>
        <NameField conversation={conversation} onDone={() => setNamed(false)} />
      </li>
    );
  const items = [
    { label: 'Rename', run: () => setNamed(true) },
    { label: 'Export as Markdown', run: () => exportMarkdown(conversation) },
    { label: 'Export as JSON', run: () => void exportChats([conversation]) },
    { label: 'Delete', run: () => remove(id) },
  ];
  return (
    <li class={isCurrent ? 'current' : ''}>
      <button type="button" class="chat-link" aria-current={isCurrent ? 'page' : undefined} onClick={() => open(id)}>
        {running.value.has(id) && <span class="busy" role="img" aria-label="Answering" />}
        <span class="title">{title}</span>
      </button>
      <Menu label={`More of ${title}`} items={items} />
    </li>
  );
}

function FoundItem({ found: { conversation, before, match, after, turn } }: { readonly found: Found }) {
  return (
    <li>
      <button type="button" class="chat-link found" onClick={() => open(conversation.id)}>
        <span class="title">{conversation.title}</span>
        {turn !== undefined && (
          <small>
            {before}
            <mark>{match}</mark>
            {after}
          </small>
        )}
      </button>
    </li>
  );
}

function ChatList({ query }: { readonly query: string }) {
  const all = conversations.value;
  const found = useMemo(() => search(all, query), [all, query]);
  if (query.trim() !== '') {
    return (
      <>
        <p class="visually-hidden" role="status">
          {found.length} found
        </p>
        {found.length === 0 ? (
          <p class="soft empty">Nothing found.</p>
        ) : (
          <ul>
            {found.map((one) => (
              <FoundItem key={one.conversation.id} found={one} />
            ))}
          </ul>
        )}
      </>
    );
  }
  if (all.length === 0) return <p class="soft empty">No chats yet.</p>;
  return (
    <>
      {[...grouped(all)].map(([age, group]) => (
        <section key={age} aria-label={age}>
          <h2>{age}</h2>
          <ul>
            {group.map((one) => (
              <Item key={one.id} conversation={one} />
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

function startNew(): void {
  showNew();
  closeDrawer();
  focusComposer();
}

export function Sidebar() {
  const [query, setQuery] = useState('');
  return (
    <nav class="sidebar" aria-label="Chats">
      <button type="button" class="new-chat" onClick={startNew}>
        <Icon name="plus" /> New chat
      </button>
      <label class="search">
        <Icon name="search" />
        <span class="visually-hidden">Search chats</span>
        <input id="search" type="search" placeholder="Search" value={query} onInput={({ currentTarget: { value } }) => setQuery(value)} />
      </label>
      <div class="chats">
        <ChatList query={query} />
      </div>
      <div class="row sidebar-foot">
        <button type="button" class="quiet" onClick={() => (openDialog.value = 'settings')}>
          <Icon name="settings" /> Settings
        </button>
        <span class="space" />
        <IconButton icon="keys" label="Keys" onClick={() => (openDialog.value = 'keys')} />
      </div>
    </nav>
  );
}
