/** A few things to do, behind one button. Arrows go through them, Escape closes. */
import { useEffect, useRef, useState } from 'preact/hooks';

interface MenuItem {
  readonly label: string;
  readonly run: () => void;
}

export function Menu({ label, items }: { readonly label: string; readonly items: readonly MenuItem[] }) {
  const [isOpen, setOpen] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const entries = () => [...place.current!.querySelectorAll<HTMLElement>('[role=menuitem]')];
  useEffect(() => {
    if (!isOpen) return undefined;
    entries()[0]?.focus();
    const onOutside = (event: Event) => {
      if (!place.current!.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', onOutside);
    return () => document.removeEventListener('pointerdown', onOutside);
  }, [isOpen]);
  const close = () => {
    setOpen(false);
    place.current!.querySelector<HTMLElement>('button')!.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    if (!isOpen) return;
    const all = entries();
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (event.key === 'Escape') close();
    else if (event.key === 'ArrowDown') all[(at + 1) % all.length]?.focus();
    else if (event.key === 'ArrowUp') all.at(at - 1)?.focus();
    else if (event.key === 'Tab') return setOpen(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="menu" ref={place} onKeyDown={onKey}>
      <button
        type="button"
        class="icon-button more"
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        <Dots />
      </button>
      {isOpen && (
        <div class="menu-items" role="menu" aria-label={label}>
          {items.map(({ label: text, run }) => (
            <Entry
              key={text}
              label={text}
              onClick={() => {
                close();
                run();
              }}
            />
          ))}
        </div>
      )}
    </div>
  );
}

function Dots() {
  return (
    <svg class="icon dots" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M6 12h.01M12 12h.01M18 12h.01" />
    </svg>
  );
}

function Entry({ label, onClick }: { readonly label: string; readonly onClick: () => void }) {
  return (
    <button type="button" role="menuitem" tabIndex={-1} onClick={onClick}>
      {label}
    </button>
  );
}
