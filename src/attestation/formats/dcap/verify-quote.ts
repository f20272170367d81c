/**
 * The order of trust of a DCAP quote: pinned root → PCK chain → quoting enclave → quote, and then Intel's statements
 * about the platform. Drivers put their own bindings between the two halves, so that only genuine quotes cause
 * requests for collateral.
 */
import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { equalBytes, isZero } from "../../../crypto/bytes.ts";
import { p256Key, verifyP256 } from "../../../crypto/ecdsa.ts";
import { Trail } from "../../trail.ts";
import { EvidenceRejected } from "../../verifier.ts";
import { commonName, isoTime, validityFault } from "./certificates.ts";
import { findPckChain } from "./certification-data.ts";
import { DCAP_CHECKS, type DcapCheck, DcapFault } from "./checks.ts";
import type { DcapCollateral, DcapCollateralQuery, DcapCollateralSource } from "./collateral.ts";
import { type PckChain, PckChains } from "./pck-chain.ts";
import { CollateralPieces } from "./pieces.ts";
import { type Quote, readQuote, type SgxQuote, type TdQuote } from "./quote.ts";
import { checkQe, checkTdxModule, evaluateTcb, type TcbEvaluation } from "./tcb.ts";
import { checkCollateral, type DcapTime, type VerifiedCollateral } from "./verify-collateral.ts";

type DcapTrail = Trail<DcapCheck>;

/** A quote that genuine hardware made; what Intel thinks of that hardware is another question. */
export interface AttestedQuote<Kind extends Quote = Quote> {
  readonly quote: Kind;
  readonly chain: PckChain;
}

/** A quote with everything that Intel's statements say about its platform. */
export interface VerifiedQuote extends AttestedQuote {
  readonly collateral: VerifiedCollateral;
  readonly tcb: TcbEvaluation;
}

export interface DcapVerifierOptions {
  /** How long after their end TCB info, QE identity and revocation lists still count; 0: not at all. */
  readonly collateralGraceSeconds: number;
}

/** Quoting enclaves remembered: one per platform and start of it. */
const MAX_ENCLAVES = 4096;

/** Verifies DCAP quotes of any TEE. Everything it uses of the world is handed in. */
export class DcapVerifier {
  readonly #source: DcapCollateralSource;
  readonly #options: DcapVerifierOptions;
  readonly #now: () => number;
  readonly #chains: PckChains;
  readonly #pieces: CollateralPieces;
  /** Attestation keys whose binding to a PCK key held, by hash of everything that was looked at. */
  readonly #enclaves = new LRUCache<string, ReturnType<typeof p256Key> & object>({ max: MAX_ENCLAVES });

  constructor(source: DcapCollateralSource, options: DcapVerifierOptions, now: () => number) {
    this.#source = source;
    this.#options = options;
    this.#now = now;
    this.#chains = new PckChains(source.anchors);
    this.#pieces = new CollateralPieces(source.anchors);
  }

  /**
   * Reads the quote of a TD and verifies it up to a pinned root: chain, validity, quoting enclave, signature. No
   * network, unless the quote names its PCK certificate instead of carrying it.
   *
   * @throws EvidenceRejected; KbsError `collateral-unavailable`
   */
  async attestTd(trail: DcapTrail, bytes: Buffer, signal: AbortSignal): Promise<AttestedQuote<TdQuote>> {
    const quote = readKind(trail, bytes);
    if (quote.tee !== "tdx") throw trail.failed("unsupported", "a quote of an enclave, not of a TD");
    return { quote, chain: await this.#attest(trail, quote, signal) };
  }

  /** The same for a quote of an enclave. */
  async attestEnclave(
    trail: DcapTrail,
    bytes: Buffer,
    signal: AbortSignal,
  ): Promise<AttestedQuote<SgxQuote>> {
    const quote = readKind(trail, bytes);
    if (quote.tee !== "sgx") throw trail.failed("unsupported", "a quote of a TD, not of an enclave");
    return { quote, chain: await this.#attest(trail, quote, signal) };
  }

  async #attest(trail: DcapTrail, quote: Quote, signal: AbortSignal): Promise<PckChain> {
    trail.passed(
      "unsupported",
      `version ${quote.version}, certification data type ${quote.certification.type}`,
    );
    trail.passed("vendor", "Intel");
    const chain = await this.#chain(trail, quote, signal);
    passChain(trail, chain);
    checkValidity(trail, chain, this.#now());
    this.#checkSignatures(trail, quote, chain);
    return chain;
  }

  /**
   * Verifies Intel's statements about the platform and rates it.
   *
   * @throws EvidenceRejected; KbsError `collateral-unavailable`
   */
  async appraise(trail: DcapTrail, attested: AttestedQuote, signal: AbortSignal): Promise<VerifiedQuote> {
    const { quote, chain } = attested;
    const set = await this.#collateral(trail, attested, signal);
    const collateral = this.#check(trail, set, attested);
    const { tcbInfo, qeIdentity } = collateral;
    if (quote.tee === "tdx") {
      attempt(trail, () => checkTdxModule(quote.report, tcbInfo));
      trail.passed("tdx-module", `TEE_TCB_SVN ${quote.report.teeTcbSvn.toString("hex")}`);
    }
    attempt(trail, () => checkQe(quote.qeReport, qeIdentity));
    trail.passed("qe-identity", `MRSIGNER ${quote.qeReport.mrSigner.toString("hex").slice(0, 16)}…`);
    const tcb = attempt(trail, () => evaluateTcb(quote, chain.platform, tcbInfo, qeIdentity));
    trail.passed("tcb-unsupported", `platform ${tcb.platformStatus}, ${partsText(tcb)}`);
    trail.passed("tcb-revoked", tcb.status);
    return { quote, chain, collateral, tcb };
  }

  async #chain(trail: DcapTrail, quote: Quote, signal: AbortSignal): Promise<PckChain> {
    if (quote.certification.type === 5)
      return attempt(trail, () => this.#chains.verify(quote.certification.data));
    try {
      return await findPckChain(quote, this.#source, (pem) => this.#chainFor(quote, pem), signal);
    } catch (error) {
      throw asRefusal(trail, error);
    }
  }

  /** The chain, if it verifies and its key signed the quoting enclave's report. */
  #chainFor(quote: Quote, pem: Buffer): PckChain {
    const chain = this.#chains.verify(pem);
    checkQeSignature(quote, chain);
    return chain;
  }

  #checkSignatures(trail: DcapTrail, quote: Quote, chain: PckChain): void {
    const key = enclaveKey(quote, chain);
    const known = this.#enclaves.get(key);
    if (known === undefined) attempt(trail, () => checkQeSignature(quote, chain));
    trail.passed("qe-signature", `signed by ${commonName(chain.leaf)}`);
    if (known === undefined) attempt(trail, () => checkQeBinding(quote));
    trail.passed("qe-binding", "the attestation key of the quote");
    const attestationKey = known ?? p256Key(quote.attestationKey);
    if (attestationKey === undefined)
      throw trail.failed("quote-signature", "an attestation key that is no point of P-256");
    this.#enclaves.set(key, attestationKey);
    trail.require(
      "quote-signature",
      verifyP256(attestationKey, quote.signed, quote.signature),
      "signature over header and body",
    );
  }

  async #collateral(trail: DcapTrail, attested: AttestedQuote, signal: AbortSignal): Promise<DcapCollateral> {
    const { faults } = this.#source;
    if (faults.length > 0) throw trail.failed("collateral-format", faults.join("; "));
    trail.passed("collateral-format", "nothing unreadable");
    const query = queryOf(attested);
    const found = await this.#source.collateral(query, (set) => this.#faultOf(set, attested), signal);
    if (found === undefined)
      throw trail.failed("no-collateral", `none for FMSPC ${query.fmspc}, ${query.tee}, ${query.ca} CA`);
    trail.passed("no-collateral", `from ${found.origin}, for FMSPC ${query.fmspc}`);
    return found;
  }

  #check(trail: DcapTrail, set: DcapCollateral, { quote, chain }: AttestedQuote): VerifiedCollateral {
    const time: DcapTime = {
      now: this.#now(),
      graceMilliseconds: this.#options.collateralGraceSeconds * 1000,
    };
    try {
      return checkCollateral(trail, this.#pieces, set, quote.tee, chain, time);
    } catch (error) {
      throw asRefusal(trail, error);
    }
  }

  #faultOf(set: DcapCollateral, attested: AttestedQuote): string | undefined {
    const trial: DcapTrail = new Trail(attested.quote.tee, DCAP_CHECKS);
    try {
      this.#check(trial, set, attested);
      return undefined;
    } catch (error) {
      if (error instanceof EvidenceRejected) return error.detail;
      throw error;
    }
  }
}

/** What to ask for; all of it is certified. */
function queryOf({ quote, chain }: AttestedQuote): DcapCollateralQuery {
  return { tee: quote.tee, fmspc: chain.platform.fmspc, ca: chain.ca };
}

function readKind(trail: DcapTrail, bytes: Buffer): Quote {
  const quote = attempt(trail, () => readQuote(bytes));
  trail.passed("malformed", `a quote of ${bytes.length} bytes, ${quote.trailingBytes} of them padding`);
  return quote;
}

function passChain(trail: DcapTrail, { leaf, intermediate, root, ca, platform }: PckChain): void {
  trail.passed("root-untrusted", `${commonName(root)}, SHA-256 ${root.fingerprint}`);
  trail.passed("pck-role", `${commonName(leaf)} below the ${ca} CA`);
  trail.passed("pck-chain", `${commonName(leaf)} ← ${commonName(intermediate)} ← ${commonName(root)}`);
  trail.passed("pck-extension", `FMSPC ${platform.fmspc}, PCEID ${platform.pceId}`);
}

function checkValidity(trail: DcapTrail, { leaf, intermediate, root }: PckChain, now: number): void {
  const certificates = [leaf, intermediate, root];
  const fault = certificates
    .map((certificate) => validityFault(certificate, now))
    .find((it) => it !== undefined);
  if (fault !== undefined) throw trail.failed("validity", fault);
  const end = Math.min(...certificates.map(({ notAfter }) => notAfter));
  trail.passed("validity", `valid to ${isoTime(end)}`);
}

function checkQeSignature(quote: Quote, { leaf }: PckChain): void {
  if (!verifyP256(leaf.publicKey, quote.qeReportBytes, quote.qeReportSignature))
    throw new DcapFault("qe-signature", "a QE report that the PCK key did not sign");
}

function checkQeBinding(quote: Quote): void {
  const digest = createHash("sha256").update(quote.attestationKey).update(quote.qeAuthData).digest();
  const { reportData } = quote.qeReport;
  if (equalBytes(reportData.subarray(0, 32), digest) && isZero(reportData.subarray(32))) return;
  throw new DcapFault("qe-binding", `REPORTDATA ${reportData.toString("hex")}`);
}

/** Digest over everything that the two checks of the quoting enclave look at; all parts but the last have one size. */
function enclaveKey(quote: Quote, { leaf }: PckChain): string {
  const hash = createHash("sha256").update(leaf.fingerprint).update(quote.attestationKey);
  hash.update(quote.qeReportBytes).update(quote.qeReportSignature).update(quote.qeAuthData);
  return hash.digest("base64");
}

function partsText({ moduleStatus, qeStatus }: TcbEvaluation): string {
  return `${moduleStatus === undefined ? "" : `TDX module ${moduleStatus}, `}quoting enclave ${qeStatus}`;
}

function attempt<T>(trail: DcapTrail, step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw asRefusal(trail, error);
  }
}

function asRefusal(trail: DcapTrail, error: unknown): unknown {
  return error instanceof DcapFault
    ? trail.failed(error.check, error.message, undefined, error.cause)
    : error;
}
