/** Where a message is written, with what goes with it. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { currentRunning, isCurrentBusy, send, stop } from '../state/answering.ts';
import { attach, attached, detach } from '../state/attachments.ts';
import { currentId } from '../state/conversations.ts';
import { draft } from '../state/draft.ts';
import { ears, model } from '../state/models.ts';
import { microphone, toggleMicrophone } from '../state/voice.ts';
import { AttachmentList } from './attachment-list.tsx';
import { growTextarea } from './grow-textarea.ts';
import { IconButton } from './icons.tsx';

const MICROPHONE_LABELS = { off: 'Speak', on: 'Stop listening', hearing: 'Being heard: stop it' } as const;

function submit(): void {
  if (!send(draft.value, attached.value)) return;
  draft.value = '';
  attached.value = [];
}

function onKey(event: KeyboardEvent): void {
  // The Enter that takes what an input method composed sends nothing; Safari tells of it by 229 alone.
  if (event.key !== 'Enter' || event.shiftKey || event.altKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  submit();
}

/** A text that is longer goes with the message as a file: nobody edits it there, and a field of it is slow. */
const MOST_PASTED = 20_000;

function onPaste(event: ClipboardEvent): void {
  const files = [...(event.clipboardData?.files ?? [])];
  const text = event.clipboardData?.getData('text/plain') ?? '';
  if (files.length === 0 && text.length > MOST_PASTED) files.push(new File([text], 'pasted.txt', { type: 'text/plain' }));
  if (files.length === 0) return;
  event.preventDefault();
  void attach(files);
}

function FileButton() {
  const input = useRef<HTMLInputElement>(null);
  const choose = () => {
    void attach([...(input.current!.files ?? [])]);
    input.current!.value = '';
  };
  return (
    <>
      <input ref={input} type="file" multiple hidden onChange={choose} data-testid="files" />
      <IconButton id="attach" icon="attach" label="Attach files" onClick={() => input.current!.click()} />
    </>
  );
}

export function Composer() {
  const area = useRef<HTMLTextAreaElement>(null);
  const isBusy = currentRunning.value !== undefined;
  const text = draft.value;
  useLayoutEffect(() => growTextarea(area.current!), [text]);
  useLayoutEffect(() => area.current!.focus(), [currentId.value]);
  const hear = () => toggleMicrophone((heard) => (draft.value = draft.value === '' ? heard : `${draft.value} ${heard}`));
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <AttachmentList attachments={attached.value} onRemove={detach} />
      <textarea
        id="message"
        ref={area}
        rows={1}
        dir="auto"
        aria-label="Message"
        placeholder={model.value === undefined ? 'Choose a model first' : 'Message'}
        autocomplete="off"
        value={text}
        onInput={({ currentTarget: { value } }) => (draft.value = value)}
        onKeyDown={onKey}
        onPaste={onPaste}
      />
      <div class="row">
        <FileButton />
        {(ears.value !== undefined || microphone.value !== 'off') && (
          <IconButton
            id="microphone"
            icon="microphone"
            class={microphone.value}
            label={MICROPHONE_LABELS[microphone.value]}
            pressed={microphone.value === 'on'}
            onClick={hear}
          />
        )}
        <span class="space" />
        {isBusy ? (
          <IconButton icon="stop" label="Stop" class="primary" onClick={stop} />
        ) : (
          <IconButton
            icon="send"
            label="Send"
            class="primary"
            disabled={isCurrentBusy.value || (text.trim() === '' && attached.value.length === 0)}
            onClick={submit}
          />
        )}
      </div>
    </form>
  );
}
