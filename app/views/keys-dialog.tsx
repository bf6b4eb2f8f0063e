/** The keys for what the app does. */
import { shortcuts } from '../state/shortcuts.ts';
import { Dialog } from './dialog.tsx';

export function KeysDialog() {
  return (
    <Dialog name="keys" title="Keys">
      <dl class="keys">
        {shortcuts.map(({ keys, does }) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p class="soft">In a message that is edited, Ctrl or Cmd with Enter sends it. All else is reached by Tab.</p>
    </Dialog>
  );
}
