import { tell } from './notices.ts';

/** How long a button says that it has copied. */
export const COPIED_MS = 2000;

/** Pages without TLS have no clipboard but this one. */
function copySelected(text: string): boolean {
  const area = Object.assign(document.createElement('textarea'), { value: text });
  const focused = document.activeElement as HTMLElement | null;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  focused?.focus();
  return isCopied;
}

/** Puts a text on the clipboard, and says so. Whether it is there. */
export async function copyText(text: string): Promise<boolean> {
  const isCopied =
    navigator.clipboard === undefined
      ? copySelected(text)
      : await navigator.clipboard.writeText(text).then(
          () => true,
          () => false,
        );
  tell(isCopied ? 'Copied.' : 'The browser did not let the page copy.');
  return isCopied;
}
