import { readFileSync } from 'node:fs';

/** Resident memory of the processes of a browser's pages, in MB: the private part, without files that all of them map. */
export async function renderersMegabytes(browser: any): Promise<number> {
  // A browser with a profile of its own is a context, which knows its browser.
  const session = await (browser.browser?.() ?? browser).newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const pages = processInfo.filter(({ type }: { type: string }) => type === 'renderer');
  const bytes = pages.map(({ id }: { id: number }) => {
    const status = statusOf(id);
    return ['RssAnon', 'RssShmem'].reduce((sum, name) => sum + Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024, 0);
  });
  return bytes.reduce((sum: number, size: number) => sum + size, 0) / 1e6;
}

/** Of a process that has ended since it was told of: nothing. */
function statusOf(id: number): string {
  try {
    return readFileSync(`/proc/${id}/status`, 'utf8');
  } catch {
    return '';
  }
}
