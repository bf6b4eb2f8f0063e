/** A turn's text while it is written anew. Ctrl or Cmd with Enter keeps it, Escape leaves it as it was. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { growTextarea } from './grow-textarea.ts';

interface TurnEditorProps {
  readonly text: string;
  readonly saveLabel: string;
  readonly onSave: (text: string) => void;
  readonly onCancel: () => void;
}

export function TurnEditor({ text, saveLabel, onSave, onCancel }: TurnEditorProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    area.current!.focus();
    area.current!.setSelectionRange(text.length, text.length);
    growTextarea(area.current!);
  }, [text]);
  const save = () => {
    if (area.current!.value.trim() !== '') onSave(area.current!.value);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Escape') onCancel();
    else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.isComposing) save();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="editor">
      <textarea
        ref={area}
        dir="auto"
        aria-label="Edit the message"
        defaultValue={text}
        onKeyDown={onKey}
        onInput={({ currentTarget }) => growTextarea(currentTarget)}
      />
      <div class="row end">
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="button" class="primary" onClick={save}>
          {saveLabel}
        </button>
      </div>
    </div>
  );
}
