/** Models that the server downloads for who chats. */
import { expect, it } from 'vitest';
import { seriousFaults } from './app-rig.ts';
import type { AppRig } from './app-rig.ts';
import type { Model } from '../../src/engine/api.ts';
import type { ModelDownloads } from '../../src/server/api.ts';

/** Brings a model at once, but for one of the page's own list, which comes half and waits until it is left. */
export function scriptedDownloads(model: Model): ModelDownloads {
  return {
    async download(id, { signal, onProgress }) {
      onProgress({ phase: 'download', loaded: 300e6, total: 600e6 });
      if (id.startsWith('Qwen/')) await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      return { name: id, loader: { load: async () => model } };
    },
  };
}

export function downloadTests(rig: AppRig): void {
  const facts = "[...document.querySelectorAll('.model-name')].map((one) => one.innerText)";

  it('has the server download a model, tells how far it is, and stops at a word', async () => {
    await rig.fresh();
    await rig.press('Alt+KeyM');
    await rig.tabTo('[aria-label="Download Qwen3 0.6B"]');
    const listed = await rig.read<string[]>(facts);
    expect(listed.find((one) => one.startsWith('Qwen3 1.7B'))).toContain('to download · 1.8 GB · too large here');
    await rig.press('Enter');
    await rig.until("document.querySelector('.loading progress')?.value === 0.5");
    expect(await seriousFaults(rig)).toEqual([]);
    await rig.picture('download');
    await rig.tabTo('.loading button', 'Cancel');
    await rig.press('Enter');
    await rig.until("document.querySelector('.loading') === null");
  });

  it('takes a model by its id, which answers then', async () => {
    await rig.tabTo('.other-model input');
    await rig.type('o/brought');
    await rig.press('Enter');
    await rig.until(`${facts}.some((one) => one.startsWith('o/brought') && one.includes('ready'))`);
    await rig.press('Escape');
    await rig.until("document.querySelector('dialog') === null && document.querySelector('.model-button .name').innerText === 'o/brought'");
  });
}
