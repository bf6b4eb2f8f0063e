/** Short messages at the edge of what is open: a window over the page has them in it, since what lies behind it is not heard. */
import { dismiss, notices } from '../state/notices.ts';
import { IconButton } from './icons.tsx';

export function NoticesView() {
  return (
    <div class="notices" role="status">
      {notices.value.map(({ id, text, undo }) => (
        <div key={id} class="notice">
          <span>{text}</span>
          {undo !== undefined && (
            <button
              type="button"
              class="quiet"
              onClick={() => {
                dismiss(id);
                undo();
              }}
            >
              Undo
            </button>
          )}
          <IconButton icon="close" label="Dismiss" onClick={() => dismiss(id)} />
        </div>
      ))}
    </div>
  );
}
