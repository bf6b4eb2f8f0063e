/** A turn of a chat: what was said, what was thought and called, and what can be done with it. */
import { useErrorBoundary, useState } from 'preact/hooks';
import type { Turn } from '../state/conversation.ts';
import { change, current, families } from '../state/conversations.ts';
import { withSibling } from '../state/conversation.ts';
import { currentRunning, edit } from '../state/answering.ts';
import { AttachmentList } from './attachment-list.tsx';
import { FiguresLine } from './figures-line.tsx';
import { IconButton } from './icons.tsx';
import { MarkdownView } from './markdown-view.tsx';
import { ThoughtView } from './thought-view.tsx';
import { ToolCallsView } from './tool-calls-view.tsx';
import { TurnActions } from './turn-actions.tsx';
import { TurnEditor } from './turn-editor.tsx';

/** Where there are several versions of a turn: which one this is, and its neighbours. */
function Versions({ turn }: { readonly turn: Turn }) {
  const siblings = families.value.get(turn.parent) ?? [];
  if (siblings.length < 2) return null;
  const at = siblings.findIndex(({ id }) => id === turn.id);
  const go = (by: 1 | -1) => change(current.value!.id, (one) => withSibling(one, turn.id, by));
  return (
    <span class="versions" role="group" aria-label="Versions">
      <IconButton icon="left" label="Version before" disabled={at === 0} onClick={() => go(-1)} />
      <span aria-live="polite">
        {at + 1} / {siblings.length}
      </span>
      <IconButton icon="right" label="Version after" disabled={at === siblings.length - 1} onClick={() => go(1)} />
    </span>
  );
}

function UserTurn({ turn }: { readonly turn: Turn }) {
  const [isEdited, setEdited] = useState(false);
  const save = (text: string) => {
    setEdited(false);
    edit(turn.id, text);
  };
  return (
    <article class="turn user" aria-label="You" data-turn={turn.id}>
      {turn.attachments !== undefined && <AttachmentList attachments={turn.attachments} />}
      {isEdited ? (
        <TurnEditor text={turn.text} saveLabel="Send" onSave={save} onCancel={() => setEdited(false)} />
      ) : (
        turn.text !== '' && (
          <div class="bubble" dir="auto">
            {turn.text}
          </div>
        )
      )}
      {!isEdited && (
        <div class="turn-foot">
          <Versions turn={turn} />
          <TurnActions turn={turn} onEdit={() => setEdited(true)} />
        </div>
      )}
    </article>
  );
}

/** How an answer came to its end, where that is worth a word. */
function EndNote({ turn: { state, error } }: { readonly turn: Turn }) {
  if (state === 'failed')
    return (
      <p class="failure" role="alert">
        {error}
      </p>
    );
  if (state === 'writing') return <p class="note elsewhere">Another tab is writing it.</p>;
  if (state === 'stopped') return <p class="note">Stopped.</p>;
  if (state === 'cut') return <p class="note">Cut at the most tokens that it may have.</p>;
  return null;
}

function AssistantTurn({ turn, isLast }: { readonly turn: Turn; readonly isLast: boolean }) {
  const [isEdited, setEdited] = useState(false);
  const running = currentRunning.value?.turn === turn.id ? currentRunning.value : undefined;
  const { text, reasoning = '', toolCalls = [] } = running?.parts.value ?? turn;
  const isEmpty = text === '' && reasoning === '' && toolCalls.length === 0;
  const save = (changed: string) => {
    setEdited(false);
    edit(turn.id, changed);
  };
  return (
    <article
      class={`turn assistant ${running === undefined ? '' : 'writing'}`}
      aria-label="Answer"
      aria-busy={running !== undefined}
      data-turn={turn.id}
    >
      {reasoning !== '' && <ThoughtView text={reasoning} isOpenNow={running !== undefined && text === ''} ms={turn.reasoningMs} />}
      {isEdited ? (
        <TurnEditor text={turn.text} saveLabel="Keep" onSave={save} onCancel={() => setEdited(false)} />
      ) : (
        text !== '' && <MarkdownView text={text} isWhole={running === undefined} />
      )}
      {running !== undefined && isEmpty && (
        <p class="waiting">
          <span class="visually-hidden">The answer begins soon</span>
        </p>
      )}
      {toolCalls.length > 0 && <ToolCallsView turn={turn} calls={toolCalls} isOpen={isLast && running === undefined} />}
      {running === undefined && <EndNote turn={turn} />}
      {running === undefined && !isEdited && (
        <div class="turn-foot">
          <Versions turn={turn} />
          <TurnActions turn={turn} onEdit={() => setEdited(true)} />
          {turn.figures !== undefined && <FiguresLine figures={turn.figures} />}
        </div>
      )}
    </article>
  );
}

/** A turn that could not be drawn takes no other with it, and can be copied and deleted. */
function Undrawn({ turn }: { readonly turn: Turn }) {
  return (
    <article class={`turn ${turn.role}`} aria-label="Message" data-turn={turn.id}>
      <p class="failure" role="alert">
        This message could not be drawn. It was written like this:
      </p>
      <pre class="undrawn">{turn.text}</pre>
      <div class="turn-foot">
        <TurnActions turn={turn} onEdit={() => {}} />
      </div>
    </article>
  );
}

interface TurnProps {
  readonly turn: Turn;
  readonly isLast: boolean;
}

export function TurnView({ turn, isLast }: TurnProps) {
  const [failure] = useErrorBoundary();
  if (failure !== undefined) return <Undrawn turn={turn} />;
  switch (turn.role) {
    case 'user':
      return <UserTurn turn={turn} />;
    case 'assistant':
      return <AssistantTurn turn={turn} isLast={isLast} />;
    // It stands with the call that it answers.
    case 'tool':
      return null;
    default:
      return turn.role satisfies never;
  }
}
