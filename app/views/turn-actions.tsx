/** What can be done with a turn. */
import type { Turn } from '../state/conversation.ts';
import { fork, goOn, isCurrentBusy, regenerate } from '../state/answering.ts';
import { current, removeTurn } from '../state/conversations.ts';
import { voice } from '../state/models.ts';
import { copyText } from '../state/copy-text.ts';
import { spoken, toggleSpeaking } from '../state/voice.ts';
import { IconButton } from './icons.tsx';

export function TurnActions({ turn, onEdit }: { readonly turn: Turn; readonly onEdit: () => void }) {
  const isAnswer = turn.role === 'assistant';
  const isBusy = isCurrentBusy.value;
  const canGoOn = isAnswer && turn.state !== 'done' && turn.text !== '';
  const remove = () => removeTurn(current.value!.id, turn.id);
  return (
    <span class="actions" role="group" aria-label={isAnswer ? 'This answer' : 'This message'}>
      <IconButton icon="copy" label="Copy" onClick={() => void copyText(turn.text)} />
      <IconButton icon="edit" label="Edit" disabled={isBusy} onClick={onEdit} />
      {isAnswer && <IconButton icon="again" label="Answer again" disabled={isBusy} onClick={() => regenerate(turn.id)} />}
      {canGoOn && <IconButton icon="goOn" label="Go on" disabled={isBusy} onClick={() => goOn(turn.id)} />}
      {isAnswer && voice.value !== undefined && turn.text !== '' && (
        <IconButton
          icon={spoken.value === turn.id ? 'stop' : 'speak'}
          label={spoken.value === turn.id ? 'Stop reading' : 'Read aloud'}
          onClick={() => void toggleSpeaking(turn.id, turn.text)}
        />
      )}
      {isAnswer && <IconButton icon="fork" label="Go on in a copy of the chat" onClick={() => fork(turn.id)} />}
      <IconButton icon="remove" label="Delete from here on" disabled={isBusy} onClick={remove} />
    </span>
  );
}
