/** Where the app begins: which models it talks to, what was kept, and the page. */
import { render } from 'preact';
import { conversations, currentId, loadConversations } from './state/conversations.ts';
import { refreshModels, useTransport } from './state/models.ts';
import { apiKey, followTheme } from './state/settings.ts';
import { listenToKeys } from './state/shortcuts.ts';
import { workOffline } from './offline/work-offline.ts';
import type { Transport } from './transport/transport.ts';
import { createServerTransport } from './transport/create-server-transport.ts';
import { AppView } from './views/app-view.tsx';

/** A server that sends the page says so in it; as files of any other host it runs models by itself. */
async function openTransport(): Promise<Transport> {
  const place = document.querySelector<HTMLMetaElement>('meta[name=ingot-models]')?.content;
  if (place === 'server') return createServerTransport(() => apiKey.value);
  const { createBrowserTransport } = await import('./transport/create-browser-transport.ts');
  return createBrowserTransport();
}

/** The chat that the address names, so that a page that is loaded again, or a link, shows the same one. */
function followAddress(): void {
  const read = () => {
    const id = location.hash.slice(1);
    currentId.value = conversations.value.some((one) => one.id === id) ? id : undefined;
  };
  read();
  addEventListener('hashchange', read);
  currentId.subscribe((id) => {
    const hash = id === undefined ? '' : `#${id}`;
    if (location.hash !== hash) history.replaceState(null, '', `${location.pathname}${location.search}${hash}`);
  });
}

followTheme();
useTransport(await openTransport());
await loadConversations();
followAddress();
listenToKeys();
render(<AppView />, document.getElementById('app')!);
void refreshModels();
workOffline();
