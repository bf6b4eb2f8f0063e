/** The page: the list of chats, the chat, and what lies over both. */
import { importChats } from '../state/chat-files.ts';
import { showNew } from '../state/conversations.ts';
import { focusComposer, hasSidebar, isDrawerOpen, isNarrow, openDialog, toggleSidebar } from '../state/layout.ts';
import { loads, model } from '../state/models.ts';
import { ChatView } from './chat-view.tsx';
import { Icon, IconButton } from './icons.tsx';
import { KeysDialog } from './keys-dialog.tsx';
import { ModelsDialog } from './models-dialog.tsx';
import { NoticesView } from './notices-view.tsx';
import { SettingsDialog } from './settings-dialog.tsx';
import { Drawer, Sidebar } from './sidebar.tsx';

function ModelButton() {
  const [load] = loads.value.values();
  const share = load?.progress.share;
  const label =
    load === undefined
      ? (model.value?.name ?? 'Choose a model')
      : `${load.progress.phase}${share === undefined ? ' …' : ` ${Math.round(share * 100)}%`}`;
  return (
    <button type="button" class="model-button" aria-haspopup="dialog" onClick={() => (openDialog.value = 'models')}>
      <span class="visually-hidden">Model: </span>
      <span class="name">{label}</span>
      <Icon name="down" />
    </button>
  );
}

function Head() {
  const startNew = () => {
    showNew();
    focusComposer();
  };
  return (
    <header>
      <IconButton icon="menu" label={hasSidebar.value ? 'Hide the list of chats' : 'Show the list of chats'} onClick={toggleSidebar} />
      <h1>Ingot</h1>
      <ModelButton />
      <span class="space" />
      <IconButton icon="settings" label="Settings" onClick={() => (openDialog.value = 'settings')} />
      <IconButton icon="plus" label="New chat" onClick={startNew} />
    </header>
  );
}

/** What the key for it and the settings open. */
function ImportInput() {
  const onChange = ({ currentTarget }: { readonly currentTarget: HTMLInputElement }) => {
    const [file] = currentTarget.files ?? [];
    if (file !== undefined) void importChats(file);
    currentTarget.value = '';
  };
  return <input id="import" type="file" accept="application/json,.json" hidden onChange={onChange} />;
}

export function AppView() {
  const isDrawer = isNarrow.value && isDrawerOpen.value;
  return (
    <div class={`app ${hasSidebar.value ? 'with-sidebar' : ''}`}>
      {isDrawer ? <Drawer /> : hasSidebar.value && <Sidebar />}
      <div class="page">
        <Head />
        <ChatView />
      </div>
      {openDialog.value === 'models' && <ModelsDialog />}
      {openDialog.value === 'settings' && <SettingsDialog />}
      {openDialog.value === 'keys' && <KeysDialog />}
      <ImportInput />
      {openDialog.value === undefined && !isDrawer && <NoticesView />}
    </div>
  );
}
