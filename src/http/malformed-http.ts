import type { Socket } from "node:net";
import { KbsError } from "../errors.ts";
import { PROBLEM_TYPE, problemBody } from "./problem.ts";

/** What the HTTP parser said, as a refusal. */
export function parserRefusal(error: unknown): KbsError {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  if (code === "HPE_HEADER_OVERFLOW")
    return new KbsError("header-too-large", "The request head is larger than this server reads.");
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return new KbsError("request-timeout", "The request did not arrive within the time allowed.");
  if (code === "HPE_CHUNK_EXTENSIONS_OVERFLOW")
    return new KbsError("payload-too-large", "The chunk extensions are larger than this server reads.");
  return new KbsError("malformed-request", "The request is not well-formed HTTP/1.1.", { cause: error });
}

/** Answers on a connection whose request never became one, and closes it. */
export function refuseRaw(socket: Socket, error: KbsError, requestId: string): void {
  if (!socket.writable || socket.destroyed) {
    socket.destroy();
    return;
  }
  const body = problemBody(error, requestId);
  socket.end(
    `HTTP/1.1 ${error.status} ${error.title}\r\ncontent-type: ${PROBLEM_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
