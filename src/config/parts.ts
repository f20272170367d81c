import { z } from "zod";

/** Building blocks the sections share. */

/** `.meta({ format: PATH_FORMAT })` marks a file path: it is resolved against the folder of the configuration. */
export const PATH_FORMAT = "path";

export function filePath(): z.ZodString {
  return z.string().min(1).meta({ format: PATH_FORMAT });
}

/** Where a secret is found. The file never holds the secret itself. */
export type SecretReference = { readonly file: string } | { readonly env: string };

/** Accepts `{ file: /path }` or `{ env: NAME }`, and tells whoever wrote the secret itself what to do. */
export function secretReference() {
  return z
    .strictObject(
      {
        file: filePath().optional().describe("Path of a file that holds it."),
        env: z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be the name of an environment variable")
          .optional()
          .describe("Name of an environment variable that holds it."),
      },
      { error: literalSecret },
    )
    .transform((reference, context): SecretReference => {
      const { file, env } = reference;
      if (file !== undefined && env === undefined) return { file };
      if (env !== undefined && file === undefined) return { env };
      context.addIssue({ code: "custom", message: "must be either { file: /path } or { env: NAME }" });
      return z.NEVER;
    });
}

function literalSecret(issue: { readonly code: string; readonly input?: unknown }): string | undefined {
  if (issue.code !== "invalid_type") return undefined;
  return LITERAL_SECRET;
}

/** The message is recognised by the section, which keeps it instead of its own wording. */
export const LITERAL_SECRET = "a secret is never written here: give { file: /path } or { env: NAME }";

export function seconds(fallback: number, minimum: number, maximum: number) {
  return z.int().min(minimum).max(maximum).default(fallback);
}

export function count(fallback: number, minimum: number, maximum: number) {
  return z.int().min(minimum).max(maximum).default(fallback);
}

export function flag(fallback: boolean) {
  return z.boolean().default(fallback);
}

export function port(fallback: number) {
  return z.int().min(0).max(65_535).default(fallback);
}

/** An https URL without user name and password. */
export function httpsUrl(): z.ZodString {
  return z.string().refine(isHttpsUrl, "must be an https:// URL without user name and password");
}

function isHttpsUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return url.protocol === "https:" && url.username === "" && url.password === "" && url.hostname !== "";
}

/** Origin of a vendor's service: https, or http on this machine. What it answers is signed, but a request tells who asks. */
export function serviceOrigin(): z.ZodString {
  return z
    .string()
    .refine(isServiceOrigin, "must be an https:// origin without path, user name and password");
}

/** Whether a text is such an origin. */
export function isServiceOrigin(text: string): boolean {
  return isServiceUrl(text) && new URL(text).pathname === "/" && !/[?#]/.test(text);
}

/** The same with a path, for what lies at one place. */
export function serviceUrl(): z.ZodString {
  return z.string().refine(isServiceUrl, "must be an https:// URL without user name and password");
}

/** Whether a text is such a URL. */
export function isServiceUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  const loopback = ["127.0.0.1", "[::1]", "localhost"].includes(hostname);
  return username === "" && password === "" && (protocol === "https:" || (protocol === "http:" && loopback));
}
