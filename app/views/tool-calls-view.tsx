/** Functions that a model called, and what they gave: whoever talks to it writes that, since the app runs nothing. */
import { useState } from 'preact/hooks';
import type { Turn } from '../state/conversation.ts';
import { current } from '../state/conversations.ts';
import { giveResults } from '../state/answering.ts';
import type { ToolCall } from '../transport/transport.ts';

interface ToolCallsProps {
  readonly turn: Turn;
  readonly calls: readonly ToolCall[];
  /** It is the last turn: its results can be given. */
  readonly isOpen: boolean;
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function resultOf(id: string): string | undefined {
  return Object.values(current.value?.turns ?? {}).find(({ toolCallId }) => toolCallId === id)?.text;
}

function CallView({ call }: { readonly call: ToolCall }) {
  const result = resultOf(call.id);
  return (
    <details class="call">
      <summary>
        Called <code>{call.name}</code>
      </summary>
      <pre tabIndex={0} role="region" aria-label="Arguments">
        {pretty(call.arguments)}
      </pre>
      {result !== undefined && (
        <pre class="result" tabIndex={0} role="region" aria-label="Result">
          {pretty(result)}
        </pre>
      )}
    </details>
  );
}

export function ToolCallsView({ turn, calls, isOpen }: ToolCallsProps) {
  const [results, setResults] = useState<readonly string[]>(calls.map(() => ''));
  const give = (event: Event) => {
    event.preventDefault();
    giveResults(turn.id, results);
  };
  return (
    <div class="calls">
      {calls.map((call) => (
        <CallView key={call.id} call={call} />
      ))}
      {isOpen && (
        <form onSubmit={give}>
          {calls.map((call, index) => (
            <label key={call.id}>
              Result of {call.name}
              <textarea
                rows={2}
                value={results[index] ?? ''}
                onInput={({ currentTarget: { value } }) => setResults(calls.map((_, at) => (at === index ? value : (results[at] ?? ''))))}
              />
            </label>
          ))}
          <button type="submit">Give the results</button>
        </form>
      )}
    </div>
  );
}
