/**
 * How the members of an object are reached from another thread. A shape names each member of a type once, and the compiler holds it to that
 * type: what the other side sees follows from both, so that no API is written twice.
 */

/**
 * `value`: data, as it was at the object's last answer. `setting`: data that may be set. `call`: a function, which answers by a promise.
 * `stream`: a function that gives pieces, each made when it is asked for. `opens`: a function whose result stays on the other side, as an
 * object of a shape of its own. `object`: a member that stays there. `ends`: a `call` after which the object is there no more; a second one
 * gives what the first did.
 */
export type Member = 'value' | 'setting' | 'call' | 'ends' | 'stream' | { readonly opens: () => Shape } | { readonly object: Shape };

export type Shape = { readonly [name: string]: Member };

// oxlint-disable-next-line typescript/no-explicit-any -- any function at all
type AnyFunction = (...args: any[]) => unknown;

type MemberOf<Type> = Type extends AnyFunction
  ? ReturnType<Type> extends AsyncIterable<unknown>
    ? 'stream'
    : 'call' | 'ends' | { readonly opens: () => Shape }
  : 'value' | 'setting' | { readonly object: Shape };

/** What a shape of `Type` must name: all of its members that have names, each by a way that fits it. */
export type ShapeOf<Type> = { readonly [Name in Extract<keyof Type, string>]-?: MemberOf<Type[Name]> };

/** A function that answers by a promise stays as it is, with its generics and overloads. */
type Call<Type> = Type extends (...args: never[]) => Promise<unknown>
  ? Type
  : Type extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;

type Opened<Type, Inner> = Type extends (...args: infer Args) => infer Result
  ? (...args: Args) => Promise<Remote<Awaited<Result>, Inner>>
  : never;

type RemoteMember<Type, Way> = Way extends 'value' | 'setting' | 'stream'
  ? Type
  : Way extends 'call' | 'ends'
    ? Call<Type>
    : Way extends { readonly opens: () => infer Inner }
      ? Opened<Type, Inner>
      : Way extends { readonly object: infer Inner }
        ? Remote<Type, Inner>
        : never;

/** An object of `Type` on the other side: its members of `S`, functions that answer at once by promises. */
export type Remote<Type, S> = {
  [Name in keyof Type as Name extends keyof S ? Name : never]: RemoteMember<Type[Name], S[Name & keyof S]>;
};
