/** What lies over the page as a window of the browser: that keeps the keyboard within, and gives the focus back. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { focusComposer } from '../state/layout.ts';

/** @param close called for Escape, and for a press beside it */
export function useModal(close: () => void) {
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const opener = document.activeElement as HTMLElement | null;
    ref.current!.showModal();
    return () => {
      if (opener?.isConnected && opener !== document.body) opener.focus();
      else focusComposer();
    };
  }, []);
  const onPointerDown = (event: Event) => {
    if (event.target === ref.current) close();
  };
  return { ref, onClose: close, onPointerDown };
}
