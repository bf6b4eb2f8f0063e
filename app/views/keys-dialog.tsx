/** The keys for what the app does. */
import { isMac, shortcuts } from '../state/shortcuts.ts';
import { Dialog } from './dialog.tsx';

export function KeysDialog() {
  return (
    <Dialog name="keys" title="Keys">
      <dl class="keys">
        {shortcuts.map(({ keys, does }) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{isMac && key === 'Alt' ? 'Option' : key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      {isMac && <p class="soft">Where Option types a letter or an accent of your keyboard in a message, hold Control too.</p>}
      <p class="soft">In a message that is edited, Ctrl or Cmd with Enter sends it. All else is reached by Tab.</p>
    </Dialog>
  );
}
