/** Intel's provisioning certification service, or a PCCS, on loopback; it does what a test tells it. */
import type { PieceName, RawPiece } from "../../../src/attestation/endorsements/intel-pieces.ts";
import { pieceKey } from "../../../src/attestation/endorsements/intel-pieces.ts";
import { answer, type Behaviour, FakeKds } from "../fake-amd/kds.ts";

const CHAIN_HEADER: Readonly<Record<PieceName["kind"], string>> = {
  "tcb-info": "TCB-Info-Issuer-Chain",
  "qe-identity": "SGX-Enclave-Identity-Issuer-Chain",
  "pck-crl": "SGX-PCK-CRL-Issuer-Chain",
  "root-ca-crl": "",
};

/** Which statement a path asks for. */
export function nameOf(url: string): PieceName | undefined {
  const { pathname, searchParams } = new URL(url, "http://service");
  const [, tee, , , what] = pathname.split("/");
  if (pathname.endsWith(".der") || what === "rootcacrl") return { kind: "root-ca-crl" };
  if (what === "pckcrl")
    return { kind: "pck-crl", ca: searchParams.get("ca") === "processor" ? "processor" : "platform" };
  if (tee !== "tdx" && tee !== "sgx") return undefined;
  if (what === "qe") return { kind: "qe-identity", tee };
  const fmspc = searchParams.get("fmspc");
  return what === "tcb" && fmspc !== null ? { kind: "tcb-info", tee, fmspc } : undefined;
}

export class FakePcs extends FakeKds {
  readonly #answers = new Map<string, Behaviour>();

  /** Answers to `pckcert`. */
  certificates: Behaviour = answer(404);

  constructor() {
    super();
    this.behave = (request, response) => {
      if (request.url?.includes("/pckcert?")) return this.certificates(request, response);
      const name = nameOf(request.url ?? "");
      const behave = name === undefined ? undefined : this.#answers.get(pieceKey(name));
      (behave ?? answer(404))(request, response);
    };
  }

  /** From now on, this is what it answers. */
  says(name: PieceName, { body, issuerChain }: RawPiece, chainHeader = CHAIN_HEADER[name.kind]): void {
    const headers = chainHeader === "" ? {} : { [chainHeader]: encodeURIComponent(issuerChain.toString()) };
    this.does(name, answer(200, body, headers));
  }

  does(name: PieceName, behaviour: Behaviour): void {
    this.#answers.set(pieceKey(name), behaviour);
  }

  saysAll(statements: readonly { readonly name: PieceName; readonly raw: RawPiece }[]): void {
    for (const { name, raw } of statements) this.says(name, raw);
  }

  /** Certificates of platforms, as PEM. */
  certifies(leaf: string, issuers: string): void {
    const headers = { "SGX-PCK-Certificate-Issuer-Chain": encodeURIComponent(issuers) };
    this.certificates = answer(200, Buffer.from(leaf), headers);
  }

  /** How often it was asked for this statement. */
  count(name: PieceName): number {
    return this.asked.filter((url) => {
      const asked = nameOf(url);
      return asked !== undefined && pieceKey(asked) === pieceKey(name);
    }).length;
  }
}
