/** What can go wrong in a template; the caller turns each into an error that names the template. */

/** The template cannot be parsed. */
export class TemplateSyntaxError extends Error {
  override readonly name = 'TemplateSyntaxError';
  readonly line: number;

  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

/** A template did what cannot be done. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  /** Where, once a statement has seen it pass. */
  line: number | undefined;
}

/** The template called raise_exception: it does not accept what it was given. */
export class TemplateRefusal extends Error {
  override readonly name = 'TemplateRefusal';
}
