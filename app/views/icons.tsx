/** Drawings on buttons, each beside a name that is read out. */
const PATHS = {
  menu: 'M4 7h16M4 12h16M4 17h16',
  plus: 'M12 5v14M5 12h14',
  search: 'M11 4a7 7 0 1 0 0 14a7 7 0 0 0 0-14M16 16l4.5 4.5',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 0 0 0-5M9 14.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 0 0 0-5',
  send: 'M12 19V5M6 11l6-6l6 6',
  stop: 'M7 7h10v10H7z',
  copy: 'M9 9h10v11H9zM15 9V4H5v11h4',
  again: 'M19 12a7 7 0 1 1-2-5M19 3v5h-5',
  edit: 'M5 19h3.5L19 8.5L15.5 5L5 15.5z',
  fork: 'M7 4v16M7 13c6 0 10-2 10-8M14 8l3-3l3 3',
  speak: 'M5 10v4h3l4 4V6L8 10zM16 9c1.5 2 1.5 4 0 6M18.5 6.5c3 3.5 3 7.5 0 11',
  microphone: 'M12 4a2.5 2.5 0 0 0-2.5 2.5v5a2.5 2.5 0 0 0 5 0v-5A2.5 2.5 0 0 0 12 4M6 11a6 6 0 0 0 12 0M12 17v3.5',
  attach: 'M19 11l-7.5 7.5a4.5 4.5 0 0 1-6.4-6.4L13 4.3a3 3 0 0 1 4.2 4.2L9.5 16.3a1.5 1.5 0 0 1-2.1-2.1L14 7.5',
  left: 'M15 5l-7 7l7 7',
  right: 'M9 5l7 7l-7 7',
  down: 'M6 9l6 6l6-6',
  close: 'M6 6l12 12M18 6L6 18',
  remove: 'M5 7h14M10 4h4M7 7l1 13h8l1-13M10 11v5M14 11v5',
  save: 'M12 4v11M7 10.5l5 5l5-5M5 20h14',
  goOn: 'M6 5l7 7l-7 7M13 5l7 7l-7 7',
  keys: 'M4 7h16v11H4zM7.5 10.5h.01M12 10.5h.01M16.5 10.5h.01M8 14.5h8',
  check: 'M5 12.5l4.5 4.5L19 7.5',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

interface IconButtonProps {
  readonly icon: IconName;
  /** What it does: read out, and shown by a pointer that rests on it. */
  readonly label: string;
  readonly onClick: () => void;
  readonly disabled?: boolean;
  readonly pressed?: boolean;
  readonly class?: string;
  readonly id?: string;
}

export function IconButton({ icon, label, onClick, disabled, pressed, id, class: className = '' }: IconButtonProps) {
  return (
    <button
      type="button"
      id={id}
      class={`icon-button ${className}`}
      title={label}
      aria-label={label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}
