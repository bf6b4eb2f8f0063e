/** A window over the page, with a title. */
import type { ComponentChildren } from 'preact';
import { openDialog } from '../state/layout.ts';
import type { DialogName } from '../state/layout.ts';
import { IconButton } from './icons.tsx';
import { NoticesView } from './notices-view.tsx';
import { useModal } from './use-modal.ts';

interface DialogProps {
  readonly name: DialogName;
  readonly title: string;
  readonly class?: string;
  readonly children: ComponentChildren;
}

export function Dialog({ name, title, class: className = '', children }: DialogProps) {
  // The browser tells a little later that it was closed: another one may be open by then.
  const close = () => {
    if (openDialog.value === name) openDialog.value = undefined;
  };
  return (
    <dialog {...useModal(close)} class={className} aria-label={title}>
      <div class="dialog-head">
        <h2 tabIndex={-1} autofocus>
          {title}
        </h2>
        <IconButton icon="close" label="Close" onClick={close} />
      </div>
      <div class="dialog-body">{children}</div>
      <NoticesView />
    </dialog>
  );
}
