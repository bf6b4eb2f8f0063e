/** Pieces from several makers to one reader. */
export interface PieceQueue<Piece> {
  push(piece: Piece): void;
  /** No more comes; with a failure, that is thrown behind what came before. */
  end(failure?: { readonly reason: unknown }): void;
  read(): AsyncGenerator<Piece>;
}

export function createPieceQueue<Piece>(): PieceQueue<Piece> {
  const pieces: Piece[] = [];
  let over: { readonly failure?: { readonly reason: unknown } | undefined } | undefined;
  let wake = (): void => {};
  return {
    push(piece) {
      pieces.push(piece);
      wake();
    },
    end(failure) {
      over ??= { failure };
      wake();
    },
    async *read() {
      for (;;) {
        if (pieces.length > 0) yield pieces.shift() as Piece;
        else if (over !== undefined) {
          if (over.failure !== undefined) throw over.failure.reason;
          return;
        } else await new Promise<void>((resolve) => void (wake = resolve));
      }
    },
  };
}
