/** What remains of a handshake once it ended in a token. */
export interface CompletedSession {
  /** SHA-256 of the `/attest` body that won the session. */
  readonly bodyDigest: Uint8Array;
  /** The attestation token, sealed under the server's session key: a dump of the store gives nobody a token. */
  readonly sealedToken: Uint8Array;
  /** Milliseconds since the epoch; never later than the session itself. */
  readonly expiresAt: number;
}

/**
 * Handshakes that ended. An open handshake lives in its sealed cookie and costs the server nothing; only
 * the moment at which its nonce is consumed is shared state.
 */
export interface SessionStore {
  /**
   * Consumes the nonce of session `id`: exactly one caller on any replica ever gets `completed`.
   * @param id - 32 lower-case hex digits
   * @throws KbsError `overloaded` when the table is full, `storage-unavailable`
   */
  complete(
    id: string,
    session: CompletedSession,
    signal: AbortSignal,
  ): Promise<
    { readonly outcome: "completed" } | { readonly outcome: "already"; readonly session: CompletedSession }
  >;
  /** Unexpired only. */
  load(id: string, signal: AbortSignal): Promise<CompletedSession | undefined>;
  ready(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
