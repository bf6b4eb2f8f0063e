/** A window over the page: the browser keeps the keyboard within, and Escape closes it. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { focusComposer, openDialog } from '../state/layout.ts';
import type { DialogName } from '../state/layout.ts';
import { IconButton } from './icons.tsx';

interface DialogProps {
  readonly name: DialogName;
  readonly title: string;
  readonly class?: string;
  readonly children: ComponentChildren;
}

export function Dialog({ name, title, class: className = '', children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  // The browser tells a little later that it was closed: another one may be open by then.
  const close = () => {
    if (openDialog.value === name) openDialog.value = undefined;
  };
  useLayoutEffect(() => {
    const opener = document.activeElement as HTMLElement | null;
    dialog.current!.showModal();
    return () => {
      if (opener?.isConnected && opener !== document.body) opener.focus();
      else focusComposer();
    };
  }, []);
  const onPointer = (event: Event) => {
    if (event.target === dialog.current) close();
  };
  return (
    <dialog ref={dialog} class={className} aria-label={title} onClose={close} onPointerDown={onPointer}>
      <div class="dialog-head">
        <h2 tabIndex={-1} autofocus>
          {title}
        </h2>
        <IconButton icon="close" label="Close" onClick={close} />
      </div>
      <div class="dialog-body">{children}</div>
    </dialog>
  );
}
