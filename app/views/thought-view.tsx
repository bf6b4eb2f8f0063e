/** What a model thought before it answered: open while it thinks, folded afterwards. */
import { useEffect, useState } from 'preact/hooks';

interface ThoughtProps {
  readonly text: string;
  /** It is being thought. */
  readonly isOpenNow: boolean;
  readonly ms: number | undefined;
}

export function ThoughtView({ text, isOpenNow, ms }: ThoughtProps) {
  const [isOpen, setOpen] = useState(isOpenNow);
  useEffect(() => setOpen(isOpenNow), [isOpenNow]);
  const label = isOpenNow
    ? 'Thinking …'
    : ms === undefined || ms < 1000
      ? 'Thought'
      : `Thought for ${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  return (
    <details class="thought" open={isOpen} onToggle={(event) => setOpen((event.currentTarget as HTMLDetailsElement).open)}>
      <summary>{label}</summary>
      <div class="thought-text">{text}</div>
    </details>
  );
}
