import { commandLine } from "./command-line.ts";

export interface BatchResult {
  readonly id: string;
  readonly verdict: "accepted" | "refused";
  readonly code?: string;
  readonly check?: string;
  readonly results?: readonly { readonly claims: Readonly<Record<string, unknown>> }[];
}

/** Runs `keywarden evidence verify --batch -` over requests; one result per request, in order. */
export async function evidenceBatch(requests: readonly object[]): Promise<readonly BatchResult[]> {
  const lines = requests.map((request) => JSON.stringify(request)).join("\n");
  const { code, out, err } = await commandLine(["evidence", "verify", "--batch", "-"], lines);
  if (code !== 0) throw new Error(err);
  return out
    .toString("utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as BatchResult);
}
