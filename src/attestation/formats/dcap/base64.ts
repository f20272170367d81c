/**
 * Reads standard base64 with padding (RFC 4648 §4), as agents write it. URL-safe text, white space, missing padding
 * and unused bits that are not zero are refused: Node would skip over them.
 *
 * @returns the bytes, or a sentence that says what is wrong
 */
export function decodeBase64(text: string, maxBytes: number): Buffer | string {
  if (text.length > Math.ceil(maxBytes / 3) * 4) return `more than ${maxBytes} bytes`;
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) return "not standard base64 with padding";
  return bytes.length > maxBytes ? `more than ${maxBytes} bytes` : bytes;
}
