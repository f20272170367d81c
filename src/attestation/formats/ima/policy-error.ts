/** Why a document is no policy. The message is public. */
export class ImaPolicyError extends Error {
  constructor(what: string, options?: ErrorOptions) {
    super(what, options);
    this.name = "ImaPolicyError";
  }
}
