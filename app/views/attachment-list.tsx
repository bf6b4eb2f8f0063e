/** Files of a message: pictures are seen, sounds can be heard, texts are named. */
import { useEffect, useState } from 'preact/hooks';
import type { Attachment } from '../state/conversation.ts';
import { IconButton } from './icons.tsx';

/** An address of a blob for as long as it is shown. */
function useAddress(blob: Blob): string | undefined {
  const [address, setAddress] = useState<string>();
  useEffect(() => {
    const url = URL.createObjectURL(blob);
    setAddress(url);
    return () => URL.revokeObjectURL(url);
  }, [blob]);
  return address;
}

function Shown({ attachment: { kind, name, blob } }: { readonly attachment: Attachment }) {
  const address = useAddress(blob);
  if (kind === 'image') return <img src={address} alt={name} />;
  if (kind === 'audio') return <audio src={address} controls aria-label={name} />;
  return (
    <span class="file">
      {name} <small>{blob.size < 1000 ? `${blob.size} B` : `${(blob.size / 1000).toFixed(1)} kB`}</small>
    </span>
  );
}

interface AttachmentListProps {
  readonly attachments: readonly Attachment[];
  readonly onRemove?: (attachment: Attachment) => void;
}

export function AttachmentList({ attachments, onRemove }: AttachmentListProps) {
  if (attachments.length === 0) return null;
  return (
    <ul class="attachments" aria-label="Attached">
      {attachments.map((one, index) => (
        <li key={index} class={one.kind}>
          <Shown attachment={one} />
          {onRemove !== undefined && <IconButton icon="close" label={`Remove ${one.name}`} onClick={() => onRemove(one)} />}
        </li>
      ))}
    </ul>
  );
}
