/** How fast an answer was, and how long. */
import type { Figures } from '../state/conversation.ts';

function duration(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function FiguresLine({ figures: { model, firstMs, tokensPerSecond, usage, totalMs } }: { readonly figures: Figures }) {
  const speed = tokensPerSecond === undefined ? undefined : `${tokensPerSecond.toFixed(tokensPerSecond < 100 ? 1 : 0)} tokens/s`;
  const cached = usage !== undefined && usage.cachedTokens > 0 ? ` (${usage.cachedTokens} cached)` : '';
  const parts = [
    model,
    firstMs === undefined ? undefined : `first token ${duration(firstMs)}`,
    speed,
    usage === undefined ? undefined : `${usage.completionTokens} ${usage.completionTokens === 1 ? 'token' : 'tokens'}`,
    usage === undefined ? undefined : `prompt ${usage.promptTokens}${cached}`,
  ].filter((part) => part !== undefined);
  return (
    <span class="figures" title={`${duration(totalMs)} in all`}>
      {parts.map((part) => (
        <span key={part}>{part}</span>
      ))}
    </span>
  );
}
