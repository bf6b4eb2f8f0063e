/** The chat that is shown, and where the next message is written. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { attach } from '../state/attachments.ts';
import { currentRunning } from '../state/answering.ts';
import { currentId, turns } from '../state/conversations.ts';
import { chatModels, modelsFailure, transportInUse } from '../state/models.ts';
import { openDialog } from '../state/layout.ts';
import { Composer } from './composer.tsx';
import { IconButton } from './icons.tsx';
import { KeyEntry } from './key-entry.tsx';
import { TurnView } from './turn-view.tsx';

/** Nearer to the end than that, the view goes with an answer that grows. */
const END_PIXELS = 80;

function Welcome() {
  const hasModel = chatModels.value.some(({ status }) => status !== 'absent');
  return (
    <div class="welcome">
      <h2>What is on your mind?</h2>
      {modelsFailure.value !== undefined && (
        <p class="failure" role="alert">
          {modelsFailure.value}
        </p>
      )}
      <KeyEntry />
      {modelsFailure.value === undefined && !hasModel && (
        <p>
          <button type="button" class="primary" onClick={() => (openDialog.value = 'models')}>
            Choose a model
          </button>
        </p>
      )}
      <p class="soft">Models run {transportInUse().place}. Chats stay in this browser.</p>
    </div>
  );
}

/** Keeps the end of a list in view while it is there already, whatever makes it grow: text, a picture, a formula that was drawn. */
function useFollowing() {
  const view = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [isAtEnd, setAtEnd] = useState(true);
  const toEnd = () => {
    view.current!.scrollTop = view.current!.scrollHeight;
    atEnd.current = true;
    setAtEnd(true);
  };
  const onScroll = () => {
    const { scrollHeight, scrollTop, clientHeight } = view.current!;
    atEnd.current = scrollHeight - scrollTop - clientHeight < END_PIXELS;
    setAtEnd(atEnd.current);
  };
  useLayoutEffect(() => {
    const watcher = new ResizeObserver(() => atEnd.current && toEnd());
    for (const element of [view.current!, ...view.current!.children]) watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  // Another chat begins at its end; so does one that has been asked something.
  useLayoutEffect(toEnd, [currentId.value, currentRunning.value?.turn]);
  return { view, isAtEnd, toEnd, onScroll };
}

/** Tells who cannot see it that an answer is there. */
function Announcement() {
  const [text, setText] = useState('');
  const isBusy = currentRunning.value !== undefined;
  const wasBusy = useRef(false);
  useEffect(() => {
    if (wasBusy.current && !isBusy) setText('The answer is there.');
    else if (isBusy) setText('Answering.');
    wasBusy.current = isBusy;
  }, [isBusy]);
  return (
    <div class="visually-hidden" role="status">
      {text}
    </div>
  );
}

export function ChatView() {
  const { view, isAtEnd, toEnd, onScroll } = useFollowing();
  const shown = turns.value;
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    void attach([...(event.dataTransfer?.files ?? [])]);
  };
  return (
    <main class="chat" onDragOver={(event) => event.preventDefault()} onDrop={onDrop}>
      <div class="turns" ref={view} onScroll={onScroll} tabIndex={0} role="region" aria-label="Chat">
        <div class="column">
          {shown.length === 0 && <Welcome />}
          {shown.map((turn, index) => (
            <TurnView key={turn.id} turn={turn} isLast={index === shown.length - 1} />
          ))}
        </div>
      </div>
      <Announcement />
      <div class="foot">
        {!isAtEnd && <IconButton icon="down" label="To the end" class="to-end" onClick={toEnd} />}
        <Composer />
        <p class="hint">
          Models make mistakes. <kbd>Alt</kbd> <kbd>/</kbd> lists the keys.
        </p>
      </div>
    </main>
  );
}
