/** The chats of this browser: a new one, search, and the list; on a narrow page it lies over the chat. */
import { useMemo, useState } from 'preact/hooks';
import type { Conversation } from '../state/conversation.ts';
import { conversations, currentId, rename, remove, show, showNew } from '../state/conversations.ts';
import { exportChats, exportMarkdown } from '../state/chat-files.ts';
import { groupByAge } from '../state/group-by-age.ts';
import { closeDrawer, focusComposer, openDialog } from '../state/layout.ts';
import type { DialogName } from '../state/layout.ts';
import { running } from '../state/answering.ts';
import { search } from '../state/search.ts';
import type { Found } from '../state/search.ts';
import { Icon, IconButton } from './icons.tsx';
import { Menu } from './menu.tsx';
import { NoticesView } from './notices-view.tsx';
import { useModal } from './use-modal.ts';

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
    if (event.key !== 'Enter' && event.key !== 'Escape') return;
    event.preventDefault();
    event.stopPropagation();
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

/** It reads signals, so that it is drawn anew for its own chat's changes alone. */
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
        <span class="title" dir="auto">{title}</span>
      </button>
      <Menu label={`More of ${title}`} items={items} />
    </li>
  );
}

function FoundItem({ found: { conversation, before, match, after, turn } }: { readonly found: Found }) {
  return (
    <li>
      <button type="button" class="chat-link found" onClick={() => open(conversation.id)}>
        <span class="title" dir="auto">{conversation.title}</span>
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

/** So many chats are listed at first, and so many more at a time: a page of thousands would be slow to draw and to walk through. */
const MORE = 200;

function ChatList({ query }: { readonly query: string }) {
  const [count, setCount] = useState(MORE);
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
      {[...groupByAge(all.slice(0, count))].map(([age, group]) => (
        <section key={age} aria-label={age}>
          <h2>{age}</h2>
          <ul>
            {group.map((one) => (
              <Item key={one.id} conversation={one} />
            ))}
          </ul>
        </section>
      ))}
      {all.length > count && (
        <button type="button" class="quiet" onClick={() => setCount(count + MORE)}>
          Older chats ({all.length - count})
        </button>
      )}
    </>
  );
}

function startNew(): void {
  showNew();
  closeDrawer();
  focusComposer();
}

function openOver(name: DialogName): void {
  closeDrawer();
  openDialog.value = name;
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
        <button type="button" class="quiet" onClick={() => openOver('settings')}>
          <Icon name="settings" /> Settings
        </button>
        <span class="space" />
        <IconButton icon="keys" label="Keys" onClick={() => openOver('keys')} />
      </div>
    </nav>
  );
}

/** Over the chat, on a narrow page. */
export function Drawer() {
  return (
    <dialog {...useModal(closeDrawer)} class="drawer" aria-label="Chats">
      <Sidebar />
      <NoticesView />
    </dialog>
  );
}
